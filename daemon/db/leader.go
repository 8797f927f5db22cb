package db

import (
	"context"
	"errors"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/sql"
)

var takeLead = sql.Query("server/take_lead")

// The times of a leader. The server gives the lock of a silent session away
// 5 s after its last sign of life at the earliest (the probes that its kernel
// must answer) and 8 s after its last question at the latest (leadSilence). The
// leader is told to stop 3 s after its last answer at the latest, so what it
// runs has 2 s to return before another can lead.
const (
	leadCheck   = time.Second     // between questions to the server
	leadTimeout = 2 * time.Second // for an answer
	leadSilence = 8 * time.Second
)

// leadParams are the settings of a leader's session. The times of TCP are in
// seconds, but tcp_user_timeout and PostgreSQL's own in milliseconds.
var leadParams = map[string]string{
	"application_name":        "pulse leader",
	"tcp_keepalives_idle":     "2",
	"tcp_keepalives_interval": "1",
	"tcp_keepalives_count":    "3",
	"tcp_user_timeout":        "6000",
	"idle_session_timeout":    strconv.FormatInt(leadSilence.Milliseconds(), 10),
}

// Lead runs run while this process holds the lock of name, one for all
// processes on this database. While another has it, or no primary answers, Lead
// tries again every retry; it calls wait each time such waiting begins. It
// returns nil when ctx ends, and run's error when run returns by itself.
//
// run's context ends with ctx, or, with the reason as its cause, as soon as it is
// not certain that the lock is still held; run must return within 2 s then. Only
// when it has returned is the lock given back or tried for again. So two lead
// at once only where a process was frozen, or run is slow to return: it goes on
// from where it stood until it notices, at most 3 s of its own time. A primary
// that is replaced without having been stopped gives locks of its own: fencing
// it is the failover's business.
//
// The lock is pg_advisory_lock of lockOf(name) in a session of its own beside
// the pools, which must not pass a pooler that shares sessions.
func (d *DB) Lead(ctx context.Context, name string, retry time.Duration, wait func(), run func(context.Context) error) error {
	waiting := false
	for ctx.Err() == nil {
		conn, err := d.takeLead(ctx, lockOf(name))
		if err == nil {
			waiting = false
			if own, err := d.lead(ctx, name, conn, run); own {
				return err
			}
			continue
		}
		if !waiting && ctx.Err() == nil {
			waiting = true
			d.log.Info("waiting to lead", "name", name, "reason", err)
			wait()
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
	return nil
}

// lockOf is the key of name's advisory lock: FNV-1a, 64 bits, of "pulse leader "
// and the name. pg_locks shows its upper half as classid, the lower as objid.
func lockOf(name string) int64 {
	h := fnv.New64a()
	h.Write([]byte("pulse leader " + name))
	return int64(h.Sum64())
}

// Why a lock was not to be had although the server answered.
var (
	errLedElsewhere = errors.New("another process leads")
	errStandby      = errors.New("the server is a standby")
)

// takeLead gives the session that holds the lock.
func (d *DB) takeLead(ctx context.Context, key int64) (*pgx.Conn, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	conf := d.primary.Config().ConnConfig
	for setting, value := range leadParams {
		conf.RuntimeParams[setting] = value
	}
	conn, err := pgx.ConnectConfig(ctx, conf)
	if err != nil {
		return nil, coded("connect to lead", err)
	}
	var taken *bool
	ask, stop := context.WithTimeout(ctx, leadTimeout)
	defer stop()
	err = conn.QueryRow(ask, takeLead, key).Scan(&taken)
	switch {
	case err != nil:
		err = coded("take the lead", err)
	case taken == nil:
		err = errStandby
	case !*taken:
		err = errLedElsewhere
	default:
		return conn, nil
	}
	closeSession(ctx, conn)
	return nil, err
}

// closeSession also gives the session's lock back.
func closeSession(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leadTimeout)
	defer cancel()
	conn.Close(ctx)
}

// lead runs run until it returns, under a watch on the session that holds the
// lock. own tells whether run returned although its context had not ended.
func (d *DB) lead(ctx context.Context, name string, conn *pgx.Conn, run func(context.Context) error) (own bool, err error) {
	leading, lose := context.WithCancelCause(ctx)
	watching, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if err := watchLead(watching, conn); err != nil {
			d.log.Warn("lead lost", "name", name, "err", err)
			lose(err)
		}
	}()
	defer func() {
		unwatch()
		<-watched
		lose(nil)
		closeSession(ctx, conn)
	}()
	d.log.Info("leading", "name", name)
	err = run(leading)
	own = leading.Err() == nil
	if !own && err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.Cause(leading)) {
		d.log.Warn("what was led ended with an error", "name", name, "err", err)
	}
	return own, err
}

// watchLead returns an error as soon as the session is gone or does not answer in
// time, nil when ctx ends.
func watchLead(ctx context.Context, conn *pgx.Conn) error {
	for ctx.Err() == nil {
		if err := stillThere(ctx, conn); err != nil {
			return &pulse.Error{Code: pulse.Unavailable, Message: "keep the lead", Err: err}
		}
	}
	return nil
}

// stillThere listens for leadCheck, so that a session that the server ends is
// noticed at once, and then asks. It is quick, and without complaint, when ctx
// ends.
func stillThere(ctx context.Context, conn *pgx.Conn) error {
	listen, stop := context.WithTimeout(ctx, leadCheck)
	defer stop()
	if _, err := conn.WaitForNotification(listen); err != nil && listen.Err() == nil {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	ask, cancel := context.WithTimeout(context.WithoutCancel(ctx), leadTimeout)
	defer cancel()
	return conn.Ping(ask)
}

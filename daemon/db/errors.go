package db

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"dev.redditpulse/shared/pulse"
)

// coded wraps err with the act and the code by which the stages decide:
// Unavailable is an outage (the same call may work soon), Invalid is the data's
// fault, NotFound is no row, Internal is ours. nil stays nil.
func coded(act string, err error) error {
	if err == nil {
		return nil
	}
	var known *pulse.Error
	if errors.As(err, &known) {
		return err
	}
	return &pulse.Error{Code: codeOf(err), Message: act, Err: err}
}

func codeOf(err error) pulse.Code {
	if errors.Is(err, pgx.ErrNoRows) {
		return pulse.NotFound
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return codeOfState(pg.Code)
	}
	var netErr net.Error
	var connectErr *pgconn.ConnectError
	switch {
	case errors.As(err, &connectErr), errors.As(err, &netErr),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.Is(err, net.ErrClosed), pgconn.Timeout(err),
		strings.Contains(err.Error(), "conn closed"), strings.Contains(err.Error(), "unexpected EOF"):
		return pulse.Unavailable
	}
	return pulse.Internal
}

// codeOfState sorts SQLSTATEs. Classes: 08 connection, 53 resources, 57P
// shutdown, 58 system, 40 rollback, 25006 a standby that should be the primary;
// 22 and 23 data and constraints; the rest are bugs of ours.
func codeOfState(state string) pulse.Code {
	switch {
	case strings.HasPrefix(state, "08"), strings.HasPrefix(state, "53"),
		strings.HasPrefix(state, "57"), strings.HasPrefix(state, "58"),
		strings.HasPrefix(state, "40"), state == "55P03", state == "25006",
		state == "28P01", state == "3D000":
		return pulse.Unavailable
	case strings.HasPrefix(state, "22"), strings.HasPrefix(state, "23"):
		return pulse.Invalid
	}
	return pulse.Internal
}

func notFound(what, name string) error {
	return &pulse.Error{Code: pulse.NotFound, Message: fmt.Sprintf("there is no %s %q", what, name)}
}

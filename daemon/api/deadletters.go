package api

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

const (
	defaultDeadLimit = 100
	// maxDeadBody takes a thousand ids, in bytes.
	maxDeadBody = 128 << 10
)

type listDeadInput struct {
	State  string `query:"state" enum:"open,replayed,discarded"`
	Topic  string `query:"topic" maxLength:"249"`
	Stage  string `query:"stage" maxLength:"512"`
	Class  string `query:"class" maxLength:"512"`
	Since  string `query:"since" format:"date-time" doc:"failed at or after; the + of an offset is sent as %2B"`
	Until  string `query:"until" format:"date-time" doc:"failed before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" maxLength:"600" doc:"next of a page with the same filter"`
}

type deadPage struct {
	ServedBy string `header:"X-Served-By"`
	Body     wire.DeadLetterList
}

func (s *server) listDeadLetters(ctx context.Context, in *listDeadInput) (*deadPage, error) {
	q := pulse.DeadQuery{Limit: in.Limit, Filter: pulse.DeadFilter{
		State: pulse.DeadState(in.State), Topic: in.Topic, Stage: in.Stage, Class: in.Class,
	}}
	var err error
	if q.Filter.Since, err = bound("since", in.Since); err != nil {
		return nil, err
	}
	if q.Filter.Until, err = bound("until", in.Until); err != nil {
		return nil, err
	}
	if err := checkSpan("until", &q.Filter); err != nil {
		return nil, err
	}
	if in.Cursor != "" {
		if err := s.cursors.decodeDead(in.Cursor, &q); err != nil {
			return nil, err
		}
	}
	letters, err := s.DeadLetters.DeadLetters(ctx, q)
	if err != nil {
		return nil, err
	}
	reasons, err := s.DeadLetters.DeadReasons(ctx, q.Filter)
	if err != nil {
		return nil, err
	}
	list := wire.DeadLetterList{Results: make([]wire.DeadLetter, 0, len(letters)), Reasons: wire.FromDeadCounts(reasons)}
	if len(letters) > q.Limit {
		letters = letters[:q.Limit]
		list.Next = new(s.cursors.encodeDead(&q.Filter, &letters[q.Limit-1]))
	}
	for i := range letters {
		list.Results = append(list.Results, wire.FromDeadLetter(&letters[i]))
	}
	return &deadPage{ServedBy: string(pulse.Primary), Body: list}, nil
}

type deadInput struct {
	ID string `path:"id" maxLength:"300" doc:"topic:partition:offset of the first failure" example:"reddit.posts.raw:0:1234"`
}

type deadOutput struct {
	ServedBy string `header:"X-Served-By"`
	Body     wire.DeadLetterDetail
}

func (s *server) getDeadLetter(ctx context.Context, in *deadInput) (*deadOutput, error) {
	id, err := wire.DeadLetterKey("id", in.ID)
	if err != nil {
		return nil, err
	}
	letter, err := s.DeadLetters.DeadLetter(ctx, id)
	if err != nil {
		return nil, err
	}
	return &deadOutput{ServedBy: string(pulse.Primary), Body: wire.FromWholeDeadLetter(&letter)}, nil
}

type deadActInput struct {
	Body wire.DeadLetterAct
}

type deadReport struct {
	Body wire.DeadLetterReport
}

func (s *server) replayDeadLetters(ctx context.Context, in *deadActInput) (*deadReport, error) {
	if in.Body.Reason != "" {
		return nil, pulse.InvalidField("reason", "a replay has none")
	}
	return s.actOnDead(ctx, &in.Body, s.Replayer.ReplayOutlook,
		func(c pulse.DeadChoice, limit int) (int, int, error) {
			return s.Replayer.Replay(ctx, c, identity(ctx).Name, limit)
		})
}

func (s *server) discardDeadLetters(ctx context.Context, in *deadActInput) (*deadReport, error) {
	reason := strings.TrimSpace(in.Body.Reason)
	if reason == "" && !in.Body.DryRun {
		return nil, pulse.InvalidField("reason", "missing: say why these are given up")
	}
	return s.actOnDead(ctx, &in.Body, s.Replayer.DiscardOutlook,
		func(c pulse.DeadChoice, limit int) (int, int, error) {
			done, err := s.Replayer.Discard(ctx, c, identity(ctx).Name, reason, limit)
			return done, 0, err
		})
}

// actOnDead does an act, unless it is a dry run, and says what is left to do.
func (s *server) actOnDead(ctx context.Context, in *wire.DeadLetterAct,
	outlook func(context.Context, pulse.DeadChoice) (pulse.DeadOutlook, error),
	act func(c pulse.DeadChoice, limit int) (done, refused int, err error),
) (*deadReport, error) {
	choice, err := choiceOf(in)
	if err != nil {
		return nil, err
	}
	before, err := outlook(ctx, choice)
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		report := wire.FromDeadOutlook(&before)
		report.DryRun = true
		return &deadReport{report}, nil
	}
	limit := in.Limit
	if limit == 0 {
		limit = defaultDeadLimit
	}
	done, refused, err := act(choice, limit)
	if err != nil {
		return nil, err
	}
	// The outlook of before counts: what is done now would be refused by now, and
	// what has failed again would be ready.
	if before.Reasons = nil; refused > 0 {
		before.Refused = append(before.Refused, pulse.DeadRefusal{Why: "cannot be sent: the log of the API says why", Count: int64(refused)})
	}
	report := wire.FromDeadOutlook(&before)
	report.Done, report.Remaining = done, max(0, before.Ready-int64(done+refused))
	return &deadReport{report}, nil
}

func choiceOf(in *wire.DeadLetterAct) (pulse.DeadChoice, error) {
	switch {
	case len(in.IDs) > 0 && in.Filter != nil:
		return pulse.DeadChoice{}, pulse.InvalidField("filter", "give ids or a filter, not both")
	case len(in.IDs) > 0:
		return choiceOfIDs(in.IDs)
	case in.Filter == nil:
		return pulse.DeadChoice{}, pulse.InvalidField("ids", `missing: give ids, or a filter such as {"class":"invalid:score"}`)
	case *in.Filter == (wire.DeadLetterFilter{}) && !in.All && !in.DryRun:
		return pulse.DeadChoice{}, pulse.InvalidField("filter", `chooses all dead letters: add "all":true if that is meant, or "dry_run":true to look first`)
	}
	f := in.Filter.Domain()
	return pulse.DeadChoice{Filter: &f}, checkSpan("filter.until", &f)
}

func checkSpan(field string, f *pulse.DeadFilter) error {
	if !f.Until.IsZero() && !f.Until.After(f.Since) {
		return pulse.InvalidField(field, "not later than since")
	}
	return nil
}

func choiceOfIDs(given []string) (pulse.DeadChoice, error) {
	ids := make([]string, len(given))
	for i, id := range given {
		var err error
		if ids[i], err = wire.DeadLetterKey(fmt.Sprintf("ids[%d]", i), id); err != nil {
			return pulse.DeadChoice{}, err
		}
	}
	slices.Sort(ids)
	return pulse.DeadChoice{IDs: slices.Compact(ids)}, nil
}

// deadHead is the bytes in front of a dead letter cursor's id: version, filter,
// time.
const deadHead = 1 + 8 + 8

func (c cursors) encodeDead(f *pulse.DeadFilter, last *pulse.DeadLetter) string {
	b := append([]byte{cursorVersion}, deadFilterHash(f)...)
	b = binary.BigEndian.AppendUint64(b, uint64(last.FailedAt.UnixMicro()))
	b = append(b, last.ID...)
	return base64.RawURLEncoding.EncodeToString(append(b, c.mac(deadCursors, b)...))
}

func (c cursors) decodeDead(cursor string, q *pulse.DeadQuery) error {
	b, err := c.open(deadCursors, cursor, deadHead)
	if err != nil {
		return err
	}
	if !hmac.Equal(b[1:9], deadFilterHash(&q.Filter)) {
		return errForeign
	}
	q.After = &pulse.DeadPlace{
		FailedAt: time.UnixMicro(int64(binary.BigEndian.Uint64(b[9:deadHead]))).UTC(), ID: string(b[deadHead:]),
	}
	return nil
}

func deadFilterHash(f *pulse.DeadFilter) []byte {
	text, err := json.Marshal(f)
	if err != nil { // strings, and times within four digits of a year
		panic("api: hash filter: " + err.Error())
	}
	return hashOf(text)
}

package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"dev.redditpulse/shared/wire"
)

// DeadLettersQuery is one page of dead letters. The zero value is the first page
// of all.
type DeadLettersQuery struct {
	wire.DeadLetterFilter
	Limit  int    // 1 to 200; 0: the server's default
	Cursor string // Next of a page
}

func (q *DeadLettersQuery) values() url.Values {
	v := url.Values{}
	for key, text := range map[string]string{
		"state": q.State, "topic": q.Topic, "stage": q.Stage, "class": q.Class, "cursor": q.Cursor,
	} {
		if text != "" {
			v.Set(key, text)
		}
	}
	for key, t := range map[string]*time.Time{"since": q.Since, "until": q.Until} {
		if t != nil {
			v.Set(key, wire.FormatTime(*t))
		}
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// DeadLetters gives one page of dead letters, last failures first.
func (c *Client) DeadLetters(ctx context.Context, q DeadLettersQuery) (wire.DeadLetterList, error) {
	return get[wire.DeadLetterList](ctx, c, "/api/dead-letters/", q.values())
}

// DeadLetter gives one dead letter with its bytes, NotFound where there is none.
func (c *Client) DeadLetter(ctx context.Context, id string) (wire.DeadLetterDetail, error) {
	return get[wire.DeadLetterDetail](ctx, c, "/api/dead-letters/"+url.PathEscape(wire.DeadLetterID(id))+"/", nil)
}

// ReplayDeadLetters sends dead letters again, or says what that would do. After an
// error some may have been sent; doing it again is harmless.
func (c *Client) ReplayDeadLetters(ctx context.Context, act wire.DeadLetterAct) (wire.DeadLetterReport, error) {
	return c.actOnDead(ctx, "replay", act)
}

// DiscardDeadLetters gives dead letters up for a reason, or says what that would
// do.
func (c *Client) DiscardDeadLetters(ctx context.Context, act wire.DeadLetterAct) (wire.DeadLetterReport, error) {
	return c.actOnDead(ctx, "discard", act)
}

func (c *Client) actOnDead(ctx context.Context, what string, act wire.DeadLetterAct) (wire.DeadLetterReport, error) {
	var out wire.DeadLetterReport
	err := c.call(ctx, request{method: http.MethodPost, path: "/api/dead-letters/" + what + "/", body: act, out: &out})
	return out, err
}

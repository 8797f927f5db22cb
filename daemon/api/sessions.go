package api

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// sessionFresh is how long an answer about a session counts: a log-out
	// takes effect on every daemon within it.
	sessionFresh = time.Second
	// sessionWait bounds the question itself.
	sessionWait = 250 * time.Millisecond
	maxSessions = 10_000
)

// sessions remembers for a moment which sessions have ended, so that an access
// token dies with its family and a request seldom costs a query. When the
// primary cannot be asked, a token that is good by itself counts until it
// expires: reads outlive the primary.
type sessions struct {
	tokens TokenStore
	now    func() time.Time
	log    *slog.Logger

	mu    sync.Mutex // guards known
	known map[string]sessionState
}

type sessionState struct {
	ended bool
	asked time.Time
}

func newSessions(tokens TokenStore, now func() time.Time, log *slog.Logger) *sessions {
	return &sessions{tokens: tokens, now: now, log: log, known: map[string]sessionState{}}
}

// ended tells whether a session has been revoked. "" is a token without one.
func (s *sessions) ended(ctx context.Context, session string) bool {
	if session == "" {
		return false
	}
	s.mu.Lock()
	state, ok := s.known[session]
	s.mu.Unlock()
	// What has ended stays so.
	if ok && (state.ended || s.now().Sub(state.asked) < sessionFresh) {
		return state.ended
	}
	ask, cancel := context.WithTimeout(ctx, sessionWait)
	defer cancel()
	ended, err := s.tokens.FamilyRevoked(ask, session)
	if err != nil && ctx.Err() == nil {
		s.log.Warn("session not checked", "request_id", requestID(ctx), "err", err)
	}
	s.note(session, err == nil && ended)
	return err == nil && ended
}

// note remembers the state of a session. A full memory forgets the stale, and
// all when none is stale: the next request of each asks again.
func (s *sessions) note(session string, ended bool) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxSessions {
		for key, state := range s.known {
			if now.Sub(state.asked) >= sessionFresh {
				delete(s.known, key)
			}
		}
		if len(s.known) >= maxSessions {
			clear(s.known)
		}
	}
	s.known[session] = sessionState{ended: ended, asked: now}
}

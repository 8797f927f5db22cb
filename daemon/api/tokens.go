package api

import (
	"context"
	"time"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/shared/wire"
)

// refreshGrace is how long a spent refresh token still gives its successor: the
// answer that carried it may have been lost. Later it is a sign of theft.
const refreshGrace = 10 * time.Second

var (
	errLogIn   = pulse.Errorf(pulse.Unauthenticated, "user name or password is wrong, or the account is disabled")
	errRefresh = pulse.Errorf(pulse.Unauthenticated, "the refresh token is not valid; log in again")
)

type logInInput struct {
	Body wire.Credentials
}

type tokenOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         wire.TokenPair
}

// logIn answers the same, after the same work, whether the user is unknown,
// disabled or has another password.
func (s *server) logIn(ctx context.Context, in *logInInput) (*tokenOutput, error) {
	user, err := s.Users.UserByName(ctx, in.Body.Username)
	if err != nil && pulse.CodeOf(err) != pulse.NotFound {
		return nil, err
	}
	known := err == nil
	if !known {
		user = pulse.User{}
	}
	right, err := s.Passwords.Verify(ctx, user.PasswordHash, in.Body.Password)
	if err != nil {
		return nil, err
	}
	if !known || !right || !user.IsActive {
		s.Log.Info("log-in refused", "request_id", requestID(ctx), "user", in.Body.Username)
		return nil, errLogIn
	}
	refresh, row, err := s.Signer.NewRefresh(user)
	if err != nil {
		return nil, err
	}
	if err := s.Tokens.InsertRefresh(ctx, row); err != nil {
		return nil, err
	}
	return s.pair(user, row.Family, refresh)
}

func (s *server) pair(user pulse.User, family, refresh string) (*tokenOutput, error) {
	access, _, err := s.Signer.Access(user, family)
	if err != nil {
		return nil, err
	}
	return &tokenOutput{
		CacheControl: "no-store", Body: wire.TokenPair{Access: access, Refresh: refresh},
	}, nil
}

type refreshBody struct {
	Refresh string `json:"refresh" minLength:"1" maxLength:"4096"`
}

type refreshInput struct {
	Body refreshBody
}

// refresh exchanges a token for its successor. Of many at once one wins, and
// the others within the grace are given the same successor; whoever comes later
// has a copy that was stolen or lost, so the whole family ends.
func (s *server) refresh(ctx context.Context, in *refreshInput) (*tokenOutput, error) {
	old, err := s.Signer.ParseRefresh(in.Body.Refresh)
	if err != nil {
		return nil, err
	}
	user, err := s.refreshUser(ctx, old)
	if err != nil {
		return nil, err
	}
	now := s.Now().UTC().Truncate(time.Millisecond) // the database keeps it exactly
	next, row, err := s.Signer.Successor(old, now)
	if err != nil {
		return nil, err
	}
	prev, won, err := s.Tokens.UseRefresh(ctx, old.Hash, now, row)
	if pulse.CodeOf(err) == pulse.NotFound {
		return nil, errRefresh
	}
	if err != nil {
		return nil, err
	}
	if won {
		return s.pair(user, old.Family, next)
	}
	return s.refreshAgain(ctx, user, prev, now)
}

// refreshUser finds the user of a token, who must still be allowed in.
func (s *server) refreshUser(ctx context.Context, old pulse.RefreshToken) (pulse.User, error) {
	user, err := s.Users.UserByID(ctx, old.UserID)
	switch {
	case pulse.CodeOf(err) == pulse.NotFound:
		return pulse.User{}, errRefresh
	case err != nil:
		return pulse.User{}, err
	case !user.IsActive:
		if err := s.endFamily(ctx, old.Family); err != nil {
			return pulse.User{}, err
		}
		return pulse.User{}, errRefresh
	}
	return user, nil
}

// refreshAgain decides about a token that was spent before.
func (s *server) refreshAgain(ctx context.Context, user pulse.User, prev pulse.RefreshToken, now time.Time) (*tokenOutput, error) {
	if prev.RevokedAt != nil || prev.UsedAt == nil {
		return nil, errRefresh
	}
	if age := now.Sub(*prev.UsedAt); age > refreshGrace {
		s.Log.Warn("spent refresh token used again, its family ends", "request_id", requestID(ctx),
			"user", user.Name, "family", prev.Family, "spent_ago", age)
		if err := s.endFamily(ctx, prev.Family); err != nil {
			return nil, err
		}
		return nil, errRefresh
	}
	next, _, err := s.Signer.Successor(prev, *prev.UsedAt)
	if err != nil {
		return nil, err
	}
	return s.pair(user, prev.Family, next)
}

func (s *server) endFamily(ctx context.Context, family string) error {
	if err := s.Tokens.RevokeFamily(ctx, family, s.Now().UTC()); err != nil {
		return err
	}
	s.sessions.note(family, true)
	return nil
}

type verifyInput struct {
	Body struct {
		Token string `json:"token" minLength:"1" maxLength:"4096" doc:"an access token"`
	}
}

type verifyOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Username  string    `json:"username"`
		Role      string    `json:"role" enum:"viewer,operator,admin"`
		ExpiresAt time.Time `json:"expires_at"`
	}
}

func (s *server) verify(ctx context.Context, in *verifyInput) (*verifyOutput, error) {
	id, err := s.Signer.VerifyAccess(in.Body.Token)
	if err != nil {
		return nil, err
	}
	if s.sessions.ended(ctx, id.Session) {
		return nil, pulse.Errorf(pulse.Unauthenticated, "the token is not valid")
	}
	out := &verifyOutput{CacheControl: "no-store"}
	out.Body.Username, out.Body.Role, out.Body.ExpiresAt = id.Name, string(id.Role), id.Expires
	return out, nil
}

// revoke ends the family of a refresh token, spent or not: that is a log-out.
func (s *server) revoke(ctx context.Context, in *refreshInput) (*struct{}, error) {
	old, err := s.Signer.ParseRefresh(in.Body.Refresh)
	if err != nil {
		return nil, err
	}
	return nil, s.endFamily(ctx, old.Family)
}

package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"dev.redditpulse/shared/pulse"
	"dev.redditpulse/sql"
)

var (
	userByName    = sql.Query("user/by_name")
	userByID      = sql.Query("user/by_id")
	listUsers     = sql.Query("user/list")
	addUser       = sql.Query("user/add")
	setPassword   = sql.Query("user/set_password")
	setUserActive = sql.Query("user/set_active")
	insertToken   = sql.Query("token/insert")
	useToken      = sql.Query("token/use")
	getToken      = sql.Query("token/get")
	revokeFamily  = sql.Query("token/revoke_family")
	revokeUser    = sql.Query("token/revoke_user")
	familyRevoked = sql.Query("token/family_revoked")
	removeTokens  = sql.Query("token/remove_expired")
)

// UserByName gives an account, case ignored; NotFound where there is none.
func (d *DB) UserByName(ctx context.Context, name string) (pulse.User, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	return d.user(ctx, "user", name, userByName, name)
}

// UserByID gives an account; NotFound where there is none.
func (d *DB) UserByID(ctx context.Context, id int64) (pulse.User, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	return d.user(ctx, "user with this id", "", userByID, id)
}

func (d *DB) user(ctx context.Context, what, name, query string, arg any) (pulse.User, error) {
	rows, err := d.primary.Query(ctx, query, arg)
	if err != nil {
		return pulse.User{}, coded("get a user", err)
	}
	u, err := pgx.CollectExactlyOneRow(rows, scanUser)
	if codeOfNil(err) == pulse.NotFound {
		return pulse.User{}, notFound(what, name)
	}
	return u, coded("get a user", err)
}

// ListUsers gives all accounts by name.
func (d *DB) ListUsers(ctx context.Context) ([]pulse.User, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	rows, err := d.primary.Query(ctx, listUsers)
	if err != nil {
		return nil, coded("list users", err)
	}
	users, err := pgx.CollectRows(rows, scanUser)
	return users, coded("list users", err)
}

// AddUser makes an account; Conflict where the name is taken.
func (d *DB) AddUser(ctx context.Context, name string, role pulse.Role, passwordHash string) (pulse.User, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	rows, err := d.primary.Query(ctx, addUser, name, role, passwordHash)
	if err != nil {
		return pulse.User{}, coded("add a user", err)
	}
	u, err := pgx.CollectExactlyOneRow(rows, scanUser)
	if codeOfNil(err) == pulse.NotFound {
		return pulse.User{}, pulse.Errorf(pulse.Conflict, "there is a user %q already", name)
	}
	return u, coded("add a user", err)
}

// SetPassword changes a password and ends all of the user's sessions.
func (d *DB) SetPassword(ctx context.Context, name, passwordHash string) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	return d.changeUser(ctx, "set a password", setPassword, name, passwordHash, true)
}

// SetActive lets an account in or keeps it out and ends its sessions.
func (d *DB) SetActive(ctx context.Context, name string, active bool) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	return d.changeUser(ctx, "set a user active", setUserActive, name, active, !active)
}

func (d *DB) changeUser(ctx context.Context, act, query, name string, value any, endSessions bool) error {
	return d.inTx(ctx, act, func(tx pgx.Tx) error {
		var id int64
		if err := tx.QueryRow(ctx, query, name, value).Scan(&id); err != nil {
			if codeOf(err) == pulse.NotFound {
				return notFound("user", name)
			}
			return err
		}
		if !endSessions {
			return nil
		}
		_, err := tx.Exec(ctx, revokeUser, id, time.Now())
		return err
	})
}

func scanUser(row pgx.CollectableRow) (pulse.User, error) {
	var u pulse.User
	err := row.Scan(&u.ID, &u.Name, &u.Role, &u.IsActive, &u.PasswordHash, &u.CreatedAt)
	return u, err
}

// InsertRefresh stores the first token of a family.
func (d *DB) InsertRefresh(ctx context.Context, t pulse.RefreshToken) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	_, err := d.primary.Exec(ctx, insertToken, t.Hash, t.Family, t.UserID, t.IssuedAt, t.ExpiresAt)
	return coded("store a refresh token", err)
}

// UseRefresh exchanges the token with this hash for next in one statement: of
// many at once one has won. The row is as it was found by those who have not;
// NotFound where there is none.
func (d *DB) UseRefresh(ctx context.Context, hash []byte, at time.Time, next pulse.RefreshToken) (pulse.RefreshToken, bool, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	row, err := d.token(ctx, useToken, hash, at, next.Hash, next.IssuedAt, next.ExpiresAt)
	if codeOfNil(err) != pulse.NotFound {
		return row, err == nil, coded("use a refresh token", err)
	}
	row, err = d.token(ctx, getToken, hash)
	if codeOfNil(err) == pulse.NotFound {
		return row, false, pulse.Errorf(pulse.NotFound, "no such refresh token")
	}
	return row, false, coded("get a refresh token", err)
}

func (d *DB) token(ctx context.Context, query string, args ...any) (pulse.RefreshToken, error) {
	var t pulse.RefreshToken
	err := d.primary.QueryRow(ctx, query, args...).Scan(
		&t.Hash, &t.Family, &t.UserID, &t.IssuedAt, &t.ExpiresAt, &t.UsedAt, &t.RevokedAt)
	return t, err
}

// RevokeFamily ends all tokens that came from one log-in.
func (d *DB) RevokeFamily(ctx context.Context, family string, at time.Time) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	_, err := d.primary.Exec(ctx, revokeFamily, family, at)
	return coded("end a session", err)
}

// FamilyRevoked tells whether a session has ended, or never was.
func (d *DB) FamilyRevoked(ctx context.Context, family string) (bool, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	var ended bool
	err := d.primary.QueryRow(ctx, familyRevoked, family).Scan(&ended)
	return ended, coded("look for a session", err)
}

// RemoveExpiredTokens forgets tokens that expired before at.
func (d *DB) RemoveExpiredTokens(ctx context.Context, at time.Time) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	_, err := d.primary.Exec(ctx, removeTokens, at)
	return coded("remove expired tokens", err)
}

package app

import (
	"context"
	"crypto/rand"
	"net"

	"dev.redditpulse/daemon/auth"
	"dev.redditpulse/daemon/db"
	"dev.redditpulse/shared/pulse"
)

// The account of a new system, which only `pulse up` makes, and its password,
// which only a loopback address is served with.
const (
	adminName       = "admin"
	defaultPassword = "admin"
)

// ensureAdmin makes the first account and gives its password where it is to be
// shown: the default one on a loopback address, else one made now. An account
// that still has the default password gets a made one before any other machine
// can reach it.
func ensureAdmin(ctx context.Context, d *db.DB, address string) (password string, err error) {
	local := isLoopback(address)
	admin, err := d.UserByName(ctx, adminName)
	switch {
	case pulse.CodeOf(err) == pulse.NotFound && err != nil:
		password, hash, err := newPassword(local)
		if err != nil {
			return "", err
		}
		_, err = d.AddUser(ctx, adminName, pulse.Admin, hash)
		return password, err
	case err != nil:
		return "", err
	}
	isDefault, err := auth.NewHasher().Verify(ctx, admin.PasswordHash, defaultPassword)
	if err != nil || !isDefault {
		return "", err
	}
	if local {
		return defaultPassword, nil
	}
	password, hash, err := newPassword(false)
	if err != nil {
		return "", err
	}
	return password, d.SetPassword(ctx, adminName, hash)
}

func newPassword(local bool) (password, hash string, err error) {
	password = rand.Text()
	if local {
		password = defaultPassword
	}
	hash, err = auth.HashPassword(password)
	return password, hash, err
}

// isLoopback tells whether an address is reached from this machine alone.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

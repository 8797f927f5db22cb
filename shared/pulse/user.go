package pulse

import "time"

// Role says what a user may do. Each role may all that the ones before it may.
type Role string

// The roles, weakest first.
const (
	Viewer   Role = "viewer"
	Operator Role = "operator"
	Admin    Role = "admin"
)

var rank = map[Role]int{Viewer: 1, Operator: 2, Admin: 3}

// Valid tells whether r is one of the roles.
func (r Role) Valid() bool { return rank[r] > 0 }

// May tells whether r includes everything that needed allows.
func (r Role) May(needed Role) bool { return r.Valid() && rank[r] >= rank[needed] }

// User is an account.
type User struct {
	ID           int64
	Name         string
	Role         Role
	IsActive     bool
	PasswordHash string // PHC string; never leaves the process
	CreatedAt    time.Time
}

// Identity is who a verified access token speaks for.
type Identity struct {
	UserID  int64
	Name    string
	Role    Role
	Session string    // the family of refresh tokens that the access token came from
	Expires time.Time // of the access token
}

// RefreshToken is one issued refresh token. The token itself is never stored.
type RefreshToken struct {
	Hash      []byte // SHA-256 of the token's id
	Family    string // all tokens that came from one log-in
	UserID    int64
	IssuedAt  time.Time
	ExpiresAt time.Time
	UsedAt    *time.Time // when it was exchanged for its successor
	RevokedAt *time.Time // when its family was ended
}

// Package sql holds every statement that the daemons send to Postgres, one a
// file, so that a database administrator can read and run them.
package sql

import (
	"embed"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed queries
var queries embed.FS

// Migrations is the numbered migrations, for goose.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic("sql: " + err.Error()) // the folder is part of the build
	}
	return sub
}

// Query gives the statement in queries/<name>.sql. A name that is not there is
// a bug found at the first start: callers load theirs into package variables.
func Query(name string) string {
	text, err := queries.ReadFile("queries/" + name + ".sql")
	if err != nil {
		panic("sql: " + err.Error())
	}
	return string(text)
}

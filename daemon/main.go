// Command pulse is the daemons of Reddit Pulse and the tools around them.
package main

import (
	"os"

	"dev.redditpulse/daemon/app"
)

func main() {
	os.Exit(app.Main(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

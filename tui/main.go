// The binary pulse-tui: Reddit Pulse in a terminal.
package main

import (
	"os"

	"dev.redditpulse/tui/app"
)

func main() {
	os.Exit(app.Main(app.Process{
		Args: os.Args[1:], Getenv: os.Getenv, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}

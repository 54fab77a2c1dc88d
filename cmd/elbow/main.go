// Command elbow is the load balancer and all that goes with it: the daemon
// (run, demo), what checks a configuration (validate, schema), and what talks to
// a running daemon by its admin socket (reload, status, healthcheck).
//
// It is thin: one file per command, which turns flags into calls, and daemon.go,
// which puts the packages together and follows the process's signals.
package main

import (
	"io"
	"os"
)

// Stamped by the Makefile; a plain go build leaves them.
var (
	version = "devel"
	commit  = "unknown"
	date    = "unknown"
)

func main() {
	os.Exit(execute(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// streams are where a command reads and writes: data to out, all else to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

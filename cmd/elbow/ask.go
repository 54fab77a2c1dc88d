package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/elbow-lb/elbow/api/admin"
)

// ask is how a command reaches the running daemon.
type ask struct {
	socket  string
	timeout time.Duration
}

// flags adds --socket and --timeout.
func (a *ask) flags(cmd *cobra.Command, timeout time.Duration) {
	cmd.Flags().StringVar(&a.socket, "socket", "",
		"`path` of the daemon's admin socket (default $ELBOW_SOCKET, or else "+admin.DefaultSocket+", or else $XDG_RUNTIME_DIR/elbow/admin.sock)")
	cmd.Flags().DurationVar(&a.timeout, "timeout", timeout, "how long to wait for the daemon")
	cmd.MarkFlagFilename("socket", "sock")
}

// client returns a client of the daemon, and the context of one question.
func (a *ask) client() (*admin.Client, context.Context, context.CancelFunc) {
	paths := admin.Sockets()
	if a.socket != "" {
		paths = []string{a.socket}
	} else if env := os.Getenv("ELBOW_SOCKET"); env != "" {
		paths = []string{env}
	}
	ctx, cancel := context.WithTimeout(context.Background(), a.timeout)
	return admin.NewClient(paths...), ctx, cancel
}

// explain gives an error of a client its exit code, and says what to do.
func (a *ask) explain(err error) error {
	var u *admin.Unreachable
	switch {
	case errors.As(err, &u):
		return failf(exitUnreachable, "%w\nIs it running? If its admin.socket is another one, say so with --socket or ELBOW_SOCKET.", err)
	case errors.Is(err, context.DeadlineExceeded):
		return failf(exitTimeout, "the daemon did not answer within %v (--timeout)", a.timeout)
	}
	return err
}

package main

import (
	"errors"
	"fmt"
)

// The exit codes. They are part of the interface: scripts and service managers
// branch on them.
const (
	exitOK          = 0
	exitFailure     = 1 // failed while running
	exitUsage       = 2 // unknown command, flag or argument
	exitConfig      = 3 // the configuration is wrong
	exitBind        = 4 // an address could not be bound, or permission is missing
	exitUnreachable = 5 // the daemon cannot be reached at its admin socket
	exitTimeout     = 6 // timed out
)

// exitError is an error with the exit code that it ends the process with.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// failf returns an error that ends the process with code.
func failf(code int, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

// coded gives an error that a command returned a code; what comes without one
// failed while running.
func coded(err error) error {
	var e *exitError
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &exitError{exitFailure, err}
}

package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// ANSI sequences for what a terminal shows.
const (
	plain  = ""
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	faint  = "\x1b[2m"
	reset  = "\x1b[0m"
)

// paint returns s in a colour, if on.
func paint(on bool, colour, s string) string {
	if !on || colour == plain || s == "" {
		return s
	}
	return colour + s + reset
}

// colours tells whether what cmd writes to w may have colours: it is a terminal,
// and nobody said that they are not wanted (no-color.org).
func colours(cmd *cobra.Command, w io.Writer) bool {
	if off, err := cmd.Flags().GetBool("no-color"); err == nil && off {
		return false
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

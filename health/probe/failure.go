package probe

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/elbow-lb/elbow/health"
)

// maxDetail bounds Result.Detail: enough for an error and the start of what it
// quotes, little enough to log for a thousand targets.
const maxDetail = 256

// failure is the Result of a check that ended with err before a status came.
func failure(ctx context.Context, err error, start time.Time) health.Result {
	return health.Result{
		Reason:  reasonOf(ctx, err),
		Latency: time.Since(start),
		Detail:  detail(err),
	}
}

func reasonOf(ctx context.Context, err error) health.Reason {
	var timeout net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled) || localTrouble(err):
		return health.ElbInternalError
	case ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout():
		return health.TargetTimeout
	default:
		return health.TargetFailedHealthChecks
	}
}

// localTrouble tells whether err is this machine's own shortage rather than
// the target's doing: descriptors, memory, or ephemeral ports.
func localTrouble(err error) bool {
	for _, e := range [...]syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// detail is the text of err on one line of printable characters, bounded. An
// error may quote what a target sent.
func detail(err error) string {
	s := err.Error()
	if len(s) > maxDetail {
		s = s[:maxDetail-3] + "..."
	}
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	return s
}

package lbtest

import (
	"errors"
	"runtime"
	"strings"
)

// asleep returns nil when every worker of the event loops in this process sleeps:
// then the load balancer has dealt with all that it read, and what it waits for
// has its deadline. A script must not move the clock before: a deadline that is
// set afterwards lies in the past of a clock that stands still.
//
// The stacks tell. To have workers count their sleeps would cost two atomic
// operations per request for the sake of tests.
func asleep() error {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		// A worker that sleeps has left the goroutine that resumed it; one that
		// yielded is about to be resumed by a goroutine of its own.
		if strings.Contains(stack, "netio.(*Worker).resume") || strings.Contains(stack, "netio.(*Worker).aside") {
			return errors.New("expected the load balancer to have nothing to do, seen it busy:\n" + stack)
		}
	}
	return nil
}

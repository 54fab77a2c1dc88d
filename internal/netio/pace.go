package netio

import (
	"math"
	"time"
)

// Pace is the patience with a peer that should move bytes at some rate: waiting
// for it uses patience up, what it moves gives some back, and never is there more
// than at the start. So a peer may stall for as long as the whole of it, and one
// that keeps moving a little at a time, to hold what it holds, runs out of it all
// the same. Time in which nobody waits for the peer costs it nothing.
//
// The zero value has no patience; see Reset.
type Pace struct {
	rate int64 // bytes per second
	left time.Duration
	most time.Duration
}

// Reset begins anew, with patience for first, later for up to most. The peer must
// move rate bytes a second on average; with 0 any byte restores all patience.
func (p *Pace) Reset(rate int, first, most time.Duration) {
	*p = Pace{rate: int64(rate), left: first, most: most}
}

// Left is the patience that is left. It is over at 0.
func (p *Pace) Left() time.Duration { return max(p.left, 0) }

// Waited uses up what was waited for the peer.
func (p *Pace) Waited(d time.Duration) { p.left -= max(d, 0) }

// Moved gives patience back for n bytes.
func (p *Pace) Moved(n int64) {
	switch {
	case n <= 0:
	case p.rate <= 0 || n >= math.MaxInt64/int64(time.Second):
		p.left = p.most
	default:
		p.left = min(p.left+time.Duration(n*int64(time.Second)/p.rate), p.most)
	}
}

// Unsent is how many bytes that were written to c its peer has not taken yet. It
// is a system call, for rare use.
func (c *Conn) Unsent() int64 { return sysUnsent(c.fd) }

// waitTaken sleeps until c, which is armed, is writable; false when timeout has
// passed or, where there is a pace, patience is over. That c is not writable does
// not mean that its peer takes nothing: the kernel waits until a good part of its
// buffer is free. So what is left in there is looked at.
func (w *Worker) waitTaken(c *Conn, timeout time.Duration, p *Pace) bool {
	if p == nil {
		c.SetDeadline(w.Now, timeout)
		return w.waitWrite(c)
	}
	before := c.Unsent()
	for p.Left() > 0 {
		since := w.Now
		c.SetDeadline(w.Now, p.Left())
		woken := w.waitWrite(c)
		after := c.Unsent()
		p.Waited(time.Duration(w.Now - since))
		p.Moved(before - after)
		if woken {
			return true
		}
		before = after
	}
	return false
}

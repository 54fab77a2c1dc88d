package netio

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// TestNudge has one goroutine tell another: before it waits, while it does, and at
// the same time.
func TestNudge(t *testing.T) {
	e := newEngine(t, Options{Loops: 2})
	c, peer := ownPair(t, e.Loop(0))
	const rounds = 3000
	var round, seen atomic.Int64
	done := start(e.Loop(0), func(w *Worker) {
		for i := int64(1); i <= rounds; i++ {
			c.Arm()
			for round.Load() < i {
				c.SetDeadline(w.Now, time.Minute)
				if _, expired := w.WaitAny(Want{Conn: c, Write: true}, Want{Conn: c}); expired != 0 {
					t.Errorf("round %d: a nudge is lost", i)
					return
				}
			}
			c.Disarm()
			seen.Store(i)
		}
	})
	go func() {
		for i := int64(1); i <= rounds; i++ {
			round.Store(i)
			c.Nudge()
			for seen.Load() < i {
				// Once is enough: it was armed, or looks at round after the arming.
				runtime.Gosched()
			}
		}
	}()
	within(t, "all rounds", done)
	c.Nudge() // nobody waits
	c.Close()
	c.Nudge() // nobody is there
	peer.Close()
}

// TestNudgeDeadline: who is not told wakes by the deadline, or by the peer.
func TestNudgeDeadline(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 1, Clock: fake})
	c, peer := ownPair(t, e.Loop(0))
	wait := func(read bool) <-chan struct{} {
		return start(e.Loop(0), func(w *Worker) {
			c.Arm()
			defer c.Disarm()
			wants := []Want{{Conn: c, Write: true}, {Conn: c}}
			if !read {
				wants = wants[:1]
			}
			c.SetDeadline(w.Now, time.Second)
			for {
				// An event that only says that it is writable, as before, wakes too.
				if ready, expired := w.WaitAny(wants...); expired != 0 || ready&2 != 0 {
					return
				}
			}
		})
	}
	for _, read := range []bool{false, true} {
		done := wait(read)
		await(t, "the wait", func() bool { return hasWaiter(c.w.Load()) })
		fake.Advance(time.Second + 2*tick)
		within(t, "the deadline", done)
	}
	done := wait(true)
	await(t, "the wait", func() bool { return hasWaiter(c.w.Load()) })
	peer.Close()
	within(t, "the peer's end", done)
	c.Close()
}

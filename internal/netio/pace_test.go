package netio

import (
	"io"
	"math"
	"testing"
	"time"
)

// patient is a pace for peers that are not hurried.
func patient() *Pace {
	p := new(Pace)
	p.Reset(0, time.Hour, time.Hour)
	return p
}

func TestPace(t *testing.T) {
	const s = time.Second
	f := func(name string, rate int, want time.Duration, steps func(p *Pace)) {
		t.Helper()
		var p Pace
		p.Reset(rate, 5*s, 30*s)
		steps(&p)
		if got := p.Left(); got != want {
			t.Errorf("%s: %v left, want %v", name, got, want)
		}
	}
	f("at first", 240, 5*s, func(p *Pace) {})
	f("waiting uses it up", 240, 2*s, func(p *Pace) { p.Waited(3 * s) })
	f("it is over", 240, 0, func(p *Pace) { p.Waited(6 * s) })
	f("bytes give it back", 240, 4*s, func(p *Pace) { p.Waited(3 * s); p.Moved(480) })
	f("up to the most", 240, 30*s, func(p *Pace) { p.Moved(1 << 20) })
	f("too slow on average", 240, 0, func(p *Pace) {
		for range 60 {
			p.Waited(s)
			p.Moved(200)
		}
	})
	f("just fast enough", 240, 5*s, func(p *Pace) {
		for range 60 {
			p.Waited(s)
			p.Moved(240)
		}
	})
	f("without a rate any byte will do", 0, 30*s, func(p *Pace) { p.Waited(4 * s); p.Moved(1) })
	f("nothing is nothing", 0, 5*s, func(p *Pace) { p.Moved(0); p.Moved(-1) })
	f("time does not go back", 240, 5*s, func(p *Pace) { p.Waited(-s) })
	f("more than can be counted", 1, 30*s, func(p *Pace) { p.Moved(math.MaxInt64) })
	var zero Pace
	if zero.Left() != 0 {
		t.Error("the zero value has patience")
	}
}

// TestWritePaced has a peer that stalls, one that takes a little at a time, and
// one that takes enough, though never so much that the kernel calls the
// connection writable before the patience with it would be over.
func TestWritePaced(t *testing.T) {
	const rate, most = 1000, 10 * time.Second
	f := func(name string, perSecond int, want Status) {
		t.Run(name, func(t *testing.T) {
			fake := newFake()
			e := newEngine(t, Options{Loops: 1, Clock: fake})
			c, peer := ownPair(t, e.Loop(0))
			var got Status
			done := start(e.Loop(0), func(w *Worker) {
				var p Pace
				p.Reset(rate, most, most)
				got = w.WritePaced(c, make([]byte, 8<<20), &p)
			})
			asleep := func() bool { return hasWaiter(c.w.Load()) }
			await(t, "a full buffer", asleep)
			// What the peer's kernel takes of its own accord is over soon.
			settled := c.Unsent()
			await(t, "a full peer", func() bool {
				before := settled
				settled = c.Unsent()
				return before == settled && asleep()
			})
			for range 40 {
				if perSecond > 0 {
					if _, err := io.CopyN(io.Discard, peer, int64(perSecond)); err != nil {
						break
					}
				}
				fake.Advance(time.Second)
				select {
				case <-done:
					if got != want {
						t.Errorf("ended with %v", got)
					}
					c.Close()
					return
				default:
				}
			}
			if want == TimedOut {
				t.Error("a peer that is too slow is waited for")
			}
			peer.Close()
			within(t, "WritePaced", done)
			c.Close()
		})
	}
	f("stalled", 0, TimedOut)
	f("too slow", 10, TimedOut)
	f("fast enough", 200_000, OK)
}

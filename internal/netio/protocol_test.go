package netio

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The ownership words under everything that can happen to them at once: real
// edges from the loop, spurious ones, expiry, claims by a pool, parks that fail
// or hold, waits for one word or several.
//
// What must hold: one owner at a time (subject.enter), exactly the tokens that
// are owed (the invariants in Worker.run), and no wake-up lost: when the last
// byte was sent and the disturbance has stopped, every byte is read without
// anything else happening.

// subject is a connection whose owners check that they are alone.
type subject struct {
	Conn
	*arena
	other  *subject // the other connection of the pair; it may be waited for too
	owners atomic.Int32
	out    int // the peer's descriptor; blocking
	sent   int64
	read   atomic.Int64

	// Guarded by ownership.
	in   stream // what is expected next
	told bool   // a wait said that there is something: it must be read first
}

// arena is what the subjects of one run share.
type arena struct {
	t      *testing.T
	seed   uint64
	runs   atomic.Uint64
	failed errs

	parks, refusals, claims, waits, timeouts, pairs atomic.Int64
}

func (s *subject) fail(format string, a ...any) { s.failed.add(fmt.Errorf(format, a...)) }

func (s *subject) enter(who string) {
	if n := s.owners.Add(1); n != 1 {
		s.fail("%s owns a connection that has %d owners", who, n)
	}
}

func (s *subject) park(w *Worker, d time.Duration) bool {
	s.owners.Add(-1)
	if s.Park(w.Now, d) {
		s.parks.Add(1)
		return true
	}
	s.refusals.Add(1)
	s.enter("a failed park")
	return false
}

// Ready hands the connection to a worker, as a listener does; sometimes it
// leaves it parked, as a pool does whose Peek found nothing.
func (s *subject) Ready(c *Conn) {
	if c.Peek() == Again {
		return
	}
	s.take("Ready")
}

func (s *subject) Expired(*Conn) { s.take("Expired") }

func (s *subject) take(who string) {
	if s.Claim() {
		s.claims.Add(1)
		s.enter(who)
		s.Loop().Go(s)
	}
}

// Serve reads until there is nothing, waits a few times in different manners,
// and parks.
func (s *subject) Serve(w *Worker) {
	r := rand.New(rand.NewPCG(s.seed, s.runs.Add(1)))
	for {
		do := r.IntN(4)
		if s.told {
			s.told, do = false, 3
		}
		switch do {
		case 0: // park without having read
			if s.park(w, timeouts[r.IntN(len(timeouts))]) {
				return
			}
		case 1:
			s.SetDeadline(w.Refresh(), timeouts[r.IntN(len(timeouts))])
			s.waits.Add(1)
			if !w.WaitRead(&s.Conn) {
				s.timeouts.Add(1)
			}
		case 2:
			s.waitPair(w, r)
		}
		buf := make([]byte, 1+r.IntN(32))
		n, st := s.TryRead(buf)
		switch st {
		case OK, Again:
		case EOF:
			s.owners.Add(-1)
			s.Close()
			return
		default:
			s.fail("TryRead: %v", st)
		}
		if err := s.in.check(buf[:n]); err != nil {
			s.fail("after %d bytes: %w", s.read.Load(), err)
		}
		s.read.Add(int64(n))
	}
}

// timeouts of parks and waits: for ever, in good time, and at once.
var timeouts = []time.Duration{0, time.Hour, time.Nanosecond}

// waitPair claims the other connection, if it is parked, and waits for both.
func (s *subject) waitPair(w *Worker, r *rand.Rand) {
	o := s.other
	wants := []Want{{Conn: &s.Conn}, {Conn: &s.Conn, Write: true}}
	s.w.CompareAndSwap(nil, stArmed) // it is writable, but no edge will say so
	defer s.Disarm()
	s.SetDeadline(w.Refresh(), timeouts[r.IntN(len(timeouts))])
	both := o.Claim()
	if both {
		s.pairs.Add(1)
		o.enter("a pair")
		o.SetDeadline(w.Now, timeouts[r.IntN(len(timeouts))])
		wants = append(wants, Want{Conn: &o.Conn})
	}
	ready, expired := w.WaitAny(wants...)
	if ready|expired == 0 {
		s.fail("WaitAny returned for no reason")
	}
	if both {
		o.told = ready&4 != 0
		o.Loop().Go(o)
	}
}

func TestProtocol(t *testing.T) {
	const pairs, bytes = 8, 10000
	for seed := range uint64(3) {
		fake := newFake()
		e := newEngine(t, Options{Loops: 2, Clock: fake})
		a := &arena{t: t, seed: seed}
		var all []*subject
		for i := range 2 * pairs {
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			unix.SetNonblock(fds[0], true)
			s := &subject{arena: a, out: fds[1], in: stream{uint64(i)}}
			all = append(all, s)
			if i%2 == 1 {
				s.other, all[i-1].other = all[i-1], s
			}
			if st := e.Loop(i%2).Register(&s.Conn, fds[0], s, 0); st != OK {
				t.Fatal(st)
			}
		}
		var senders, disturbers sync.WaitGroup
		for i, s := range all {
			senders.Go(func() {
				r := rand.New(rand.NewPCG(seed, uint64(i)))
				out := stream{uint64(i)}
				for s.sent < bytes {
					b := out.fill(make([]byte, 1+r.IntN(100)))
					for len(b) > 0 {
						n, err := unix.Write(s.out, b)
						if err != nil {
							s.fail("write: %w", err)
							return
						}
						s.sent += int64(n)
						b = b[n:]
					}
					// Mostly let the reader catch up, so that it parks or sleeps.
					for r.IntN(50) > 0 && s.read.Load() < s.sent {
						runtime.Gosched()
					}
				}
			})
		}
		stop := make(chan struct{})
		for i := range 3 {
			disturbers.Go(func() { disturb(all, rand.New(rand.NewPCG(seed, uint64(100+i))), fake.Advance, stop) })
		}
		sent := make(chan struct{})
		go func() { senders.Wait(); close(sent) }()
		within(t, "senders", sent)
		close(stop)
		disturbers.Wait()
		// From here on nothing helps: no deadline passes, nobody claims.
		for i, s := range all {
			await(t, fmt.Sprintf("connection %d to be read to its end: seed %d, got %d of %d", i, seed, s.read.Load(), s.sent),
				func() bool { return s.read.Load() == s.sent })
		}
		for _, s := range all {
			unix.Close(s.out)
		}
		await(t, "the end of all connections", func() bool { return e.Conns() == 0 })
		a.failed.report(t)
		t.Logf("seed %d: %d parks, %d refused, %d claims, %d waits, %d timeouts, %d pairs", seed,
			a.parks.Load(), a.refusals.Load(), a.claims.Load(), a.waits.Load(), a.timeouts.Load(), a.pairs.Load())
	}
}

// disturb does to random connections what may happen to them at any time.
func disturb(all []*subject, r *rand.Rand, advance func(time.Duration), stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		s := all[r.IntN(len(all))]
		switch r.IntN(6) {
		case 0:
			s.wakeRead() // a stale event
		case 1:
			s.wakeWrite()
		case 2:
			expire(&s.Conn, math.MaxUint32-1)
		case 3:
			s.take("a pool")
		case 4:
			advance(2 * tick)
		case 5:
			runtime.Gosched()
		}
	}
}

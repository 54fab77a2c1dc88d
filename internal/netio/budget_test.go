package netio

import (
	"net"
	"testing"
	"time"
)

func TestBudget(t *testing.T) {
	f := func(limit, dial, accept int64) {
		t.Helper()
		if b := newBudget(limit); b.dial != dial || b.accept != accept {
			t.Errorf("of %d descriptors connections get %d and clients %d, want %d and %d", limit, b.dial, b.accept, dial, accept)
		}
	}
	f(64, 48, 36)
	f(1024, 896, 672)
	f(1<<20, 1<<20-128, 786336)
}

// TestFull has an engine with more clients than it has descriptors for: it stops
// accepting before they are gone, does not look again before its pause is over,
// and goes on when some have left.
func TestFull(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 2, Clock: fake})
	e.budget.accept = 3
	s := newEcho(t, e, time.Hour)
	var clients []net.Conn
	for range 5 {
		c, err := s.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
	}
	await(t, "a pause", func() bool { return s.acceptor.Failures.Load() > 0 })
	n := s.accepted.Load()
	if n < 3 || n > int64(3+e.Loops()) {
		t.Errorf("%d accepted, want 3, or one more for each other loop", n)
	}
	for range 20 {
		fake.Advance(acceptPause)
	}
	if got := s.acceptor.Failures.Load(); got > uint64(e.Loops()) {
		t.Errorf("%d failures: it tries though it is full", got)
	}
	for _, c := range clients {
		c.Close()
	}
	await(t, "room", func() bool { return e.table.live.Load() < 3 })
	await(t, "the others to be accepted", func() bool {
		fake.Advance(acceptPause)
		return s.accepted.Load() == 5
	})
}

// TestReserved leaves the last descriptors to others.
func TestReserved(t *testing.T) {
	s := newEcho(t, newEngine(t, Options{Loops: 1}), time.Hour)
	e := newEngine(t, Options{Loops: 1})
	dials := e.budget.dial
	e.budget.dial = 0 // as if all below were taken
	if _, st := dial(t, e.Loop(0), s.addr, time.Minute); st != NoDescriptors {
		t.Errorf("Dial: got %v, want no-descriptors", st)
	}
	if p := e.pipes.get(); p != nil {
		t.Error("got a pipe")
	}
	e.budget.dial = dials
	if c, st := dial(t, e.Loop(0), s.addr, time.Minute); st != OK {
		t.Errorf("Dial: got %v", st)
	} else {
		c.Close()
	}
}

package control

import (
	"testing"
	"time"

	"github.com/elbow-lb/elbow/health"
	"github.com/elbow-lb/elbow/internal/clock"
)

// A configuration that fails after it was compiled leaves a target that it would
// have registered again as it was: draining, and cut when its time is over.
func TestRegisterAgainRefused(t *testing.T) {
	fake := clock.NewFake(time.Unix(1_800_000_000, 0))
	a, b := newTarget(t, "a", "127.0.0.1:0"), newTarget(t, "b", "127.0.0.1:0")
	l := newLab(t, Options{Clock: fake})
	both := l.forward(a.addr, b.addr)
	l.must(both)
	state := l.Snapshot().Groups[0].Targets[0].State
	l.must(l.forward(b.addr))
	if s := l.state(); s[a.addr] != "draining" || s[b.addr] != "healthy" {
		t.Fatalf("%v", s)
	}
	if err := l.reload(both + "access_log: {file: /}\n"); err == nil {
		t.Fatal("accepted")
	}
	if s := l.state(); s[a.addr] != "draining" {
		t.Errorf("after a refused reload: %v", s)
	}
	fake.Advance(299 * time.Second)
	if s := l.state(); s[a.addr] != "draining" {
		t.Errorf("before its time: %v", s)
	}
	fake.Advance(time.Second)
	l.await("the end of the deregistration", func() bool { return l.state()[a.addr] == "" })
	if d := state.Health.Detail(); d.State != health.StateUnused || d.Reason != health.TargetNotRegistered {
		t.Errorf("%+v", d)
	}
	// What was cut must not come back with its state.
	l.must(both)
	l.await("a new registration", func() bool { return l.state()[a.addr] == "healthy" })
	c := l.dial()
	for range 4 {
		c.get("/", 200, "*")
	}
}

// Series of a target that drains go on, and end with it.
func TestDrainingSeries(t *testing.T) {
	fake := clock.NewFake(time.Unix(1_800_000_000, 0))
	a, b := newTarget(t, "a", "127.0.0.1:0"), newTarget(t, "b", "127.0.0.1:0")
	l := newLab(t, Options{Clock: fake})
	l.must(l.forward(a.addr, b.addr))
	c := l.dial()
	c.get("/", 200, "*")
	c.get("/", 200, "*")
	l.must(l.forward(b.addr))
	f := func(want int, words ...string) {
		t.Helper()
		if got := l.series(words...); len(got) != want {
			t.Errorf("%v: %q, want %d series", words, got, want)
		}
	}
	f(1, "elbow_target_requests_total", a.addr)
	f(1, "elbow_target_health", a.addr, "draining")
	f(1, "elbow_draining_hosts", "web", "value:1")
	fake.Advance(300 * time.Second)
	l.await("the end of the deregistration", func() bool { return len(l.series(a.addr)) == 0 })
	f(1, "elbow_draining_hosts", "web", "value:0")
}

// The controller closes while targets drain.
func TestCloseWhileDraining(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	l := newLab(t, Options{})
	l.must(l.forward(a.addr))
	c := l.dial()
	c.send("/hold")
	<-a.held
	l.must(l.listener("{type: forward, target_group: web}") + "  - {name: web, port: 80}\n")
	if s := l.state(); s[a.addr] != "draining" {
		t.Errorf("%v", s)
	}
	l.Close()
	close(a.release)
}

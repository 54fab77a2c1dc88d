package balancer

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
)

// limited compiles a group of n healthy targets that take limit requests each.
func limited(n, limit, queue int, prev *Snapshot) (*Group, *Snapshot) {
	cfg := groupOf("g", n)
	cfg.Attributes.MaxOutstanding, cfg.Attributes.QueueSize = limit, queue
	s := Compile(model(nil, cfg), prev, testEnv)
	for _, t := range s.Groups[0].Targets {
		setHealth(t, health.StateHealthy)
	}
	s.Groups[0].Refresh()
	return s.Groups[0], s
}

// take enters one request.
func (g *Group) take() *Target {
	p := &Pick{Zone: config.NoZone}
	return g.Enter(g.Pick(p), p)
}

// nudges counts.
type nudges struct{ atomic.Int32 }

func (n *nudges) Nudge() { n.Add(1) }

func waiter(g *Group) *Waiter {
	return &Waiter{Group: g, Pick: Pick{Zone: config.NoZone}, Wake: new(nudges)}
}

func outstanding(g *Group) (n int64) {
	for _, t := range g.Targets {
		n += t.State.Outstanding.Load()
	}
	return n
}

func TestEnter(t *testing.T) {
	g, _ := limited(3, 2, 0, nil)
	for i := range 6 {
		if g.take() == nil {
			t.Fatalf("request %d finds no place of 6", i)
		}
	}
	for _, x := range g.Targets {
		if n := x.State.Outstanding.Load(); n != 2 {
			t.Errorf("%v has %d requests, want 2", x.Addr, n)
		}
	}
	if g.take() != nil {
		t.Error("a request too many")
	}
	g.Release(g.Targets[1])
	if got := g.take(); got != g.Targets[1] {
		t.Errorf("got a place at %v, want %v", got, g.Targets[1].Addr)
	}
	// A retry does not go back to the target that failed.
	g.Release(g.Targets[0])
	p := &Pick{Zone: config.NoZone, Exclude: g.Targets[0]}
	if got := g.Enter(g.Targets[1], p); got != nil {
		t.Errorf("got a place at %v", got.Addr)
	}
	free, _ := limited(1, 0, 0, nil)
	for range 1000 {
		if free.take() == nil {
			t.Fatal("a limit though none is set")
		}
	}
}

func TestQueueOrder(t *testing.T) {
	g, _ := limited(1, 1, 3, nil)
	only := g.take()
	a, b, c, d := waiter(g), waiter(g), waiter(g), waiter(g)
	for _, w := range []*Waiter{a, b, c} {
		if !w.Wait() {
			t.Fatal("the queue is full")
		}
	}
	if d.Wait() {
		t.Error("the queue of 3 takes 4")
	}
	if g.Queued() != 3 {
		t.Errorf("%d wait, want 3", g.Queued())
	}
	// b leaves; what is released goes to a, not to one that has just come.
	if b.Leave() != nil {
		t.Error("b has a place")
	}
	g.Release(only)
	if g.take() != nil {
		t.Error("one that has just come got the place")
	}
	if !a.Granted() || c.Granted() {
		t.Fatalf("granted: a %v, c %v", a.Granted(), c.Granted())
	}
	if n := a.Wake.(*nudges).Load(); n != 1 {
		t.Errorf("a was told %d times", n)
	}
	g.Release(a.Leave())
	if c.Leave() != only {
		t.Error("c has no place")
	}
	if g.Queued() != 0 || outstanding(g) != 1 {
		t.Errorf("%d wait, %d requests", g.Queued(), outstanding(g))
	}
	g.Release(only)
	if g.take() == nil {
		t.Error("no place though nobody waits")
	}
}

// TestQueueAcrossReload raises the limit while somebody waits.
func TestQueueAcrossReload(t *testing.T) {
	g, s := limited(1, 1, 1, nil)
	first := g.take()
	w := waiter(g)
	w.Wait()
	next, _ := limited(1, 5, 1, s)
	// Those that came before go first, by the limit that they came with.
	if next.take() != nil {
		t.Error("it did not wait its turn")
	}
	next.Release(first)
	if !w.Granted() {
		t.Error("who waits from before is forgotten")
	}
	w.Leave()
	if next.take() == nil {
		t.Error("no place of 5")
	}
}

// TestQueueConcurrent has many more requests than places: never too many at a
// time, and everybody who waits is served.
func TestQueueConcurrent(t *testing.T) {
	const targets, limit, clients, requests = 3, 2, 16, 300
	g, _ := limited(targets, limit, clients, nil)
	var wg sync.WaitGroup
	var served atomic.Int64
	for range clients {
		wg.Go(func() {
			w := waiter(g)
			for range requests {
				x := g.take()
				if x == nil {
					w.Wake = new(nudges)
					if !w.Wait() {
						t.Error("the queue is full")
						return
					}
					for !w.Granted() {
						runtime.Gosched()
					}
					x = w.Leave()
				}
				if n := x.State.Outstanding.Load(); n > limit {
					t.Errorf("%d requests at a target, at most %d", n, limit)
				}
				served.Add(1)
				g.Release(x)
			}
		})
	}
	wg.Wait()
	if served.Load() != clients*requests || g.Queued() != 0 || outstanding(g) != 0 {
		t.Errorf("%d served, %d wait, %d outstanding", served.Load(), g.Queued(), outstanding(g))
	}
}

func TestEnterAllocatesNothing(t *testing.T) {
	g, _ := limited(2, 1, 4, nil)
	w, wake := waiter(g), new(nudges)
	if n := testing.AllocsPerRun(100, func() {
		a, b := g.take(), g.take()
		w.Wake = wake
		w.Wait()
		g.Release(a)
		g.Release(w.Leave())
		g.Release(b)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

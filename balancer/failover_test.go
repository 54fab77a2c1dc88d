package balancer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/elbow-lb/elbow/config"
)

// ELB guide, Target group health: with fewer healthy targets than the count, or
// a smaller share than the percentage, all targets are used.
func TestMinimumHealthy(t *testing.T) {
	f := func(healthyOnes, registered, count, percent int, failOpen bool) {
		t.Helper()
		cfg := groupOf("g", registered)
		cfg.Attributes.MinimumHealthy, cfg.Attributes.MinimumHealthyPercent = count, percent
		g := Compile(model(nil, cfg), nil, testEnv).Groups[0]
		for i, target := range g.Targets {
			setHealth(target, unhealthy)
			if i < healthyOnes {
				setHealth(target, healthy)
			}
		}
		g.Refresh()
		if g.FailOpen() != failOpen {
			t.Errorf("%d of %d healthy, minimum %d and %d %%: fail open %t, want %t", healthyOnes, registered, count, percent, g.FailOpen(), failOpen)
		}
		want := healthyOnes
		if failOpen {
			want = registered
		}
		if got := len(g.eligible.Load().all.targets); got != want {
			t.Errorf("%d of %d healthy, minimum %d and %d %%: %d eligible, want %d", healthyOnes, registered, count, percent, got, want)
		}
		if g.Serving() != (want > 0 && !failOpen) {
			t.Errorf("%d of %d healthy, minimum %d and %d %%: serving %t", healthyOnes, registered, count, percent, g.Serving())
		}
	}
	f(1, 4, 0, 0, false)
	f(0, 4, 0, 0, true)
	f(1, 4, 1, 0, false)
	f(2, 4, 3, 0, true)
	f(3, 4, 3, 0, false)
	f(4, 4, 5, 0, true) // more than there are
	f(2, 4, 1, 50, false)
	f(1, 4, 1, 50, true)
	f(1, 3, 1, 33, false) // 33.3 %
	f(1, 3, 1, 34, true)
	f(99, 100, 1, 100, true)
	f(100, 100, 1, 100, false)
	f(3, 4, 2, 100, true) // the percentage is breached, the count is not
	f(3, 4, 4, 50, true)  // the other way round
	f(0, 0, 3, 50, false) // nothing to fail open to
}

// With cross-zone load balancing off each zone has the minimum for itself.
func TestMinimumHealthyByZone(t *testing.T) {
	cfg := zoned(config.CrossZoneOff, 2, 4)
	cfg.Attributes.MinimumHealthyPercent = 60
	g := Compile(model(twoZones, cfg), nil, testEnv).Groups[0]
	for i, target := range g.Targets {
		setHealth(target, healthy)
		if i == 0 || i == 2 {
			setHealth(target, unhealthy)
		}
	}
	g.Refresh()
	e := g.eligible.Load()
	if len(e.zones[0].targets) != 2 || !e.zones[0].failOpen {
		t.Errorf("half of zone a is healthy: %d eligible, fail open %t", len(e.zones[0].targets), e.zones[0].failOpen)
	}
	if len(e.zones[1].targets) != 3 || e.zones[1].failOpen {
		t.Errorf("three of four in zone b are healthy: %d eligible, fail open %t", len(e.zones[1].targets), e.zones[1].failOpen)
	}
	if !slices.Equal(e.drawn, []int{1}) {
		t.Errorf("zones drawn for work of no zone: %v, want [1]", e.drawn)
	}
}

// elbow.failover.enabled: which groups get what, by the weights and by which of
// them serve. A group whose share is nil has no healthy target.
func TestFailover(t *testing.T) {
	f := func(name string, failover bool, weights []int, serving []bool, want []float64) {
		t.Helper()
		var cfgs []*config.TargetGroup
		for i := range weights {
			cfg := groupOf(fmt.Sprint("g", i), 1)
			cfg.Attributes.Failover = failover
			cfgs = append(cfgs, cfg)
		}
		m := model(nil, cfgs...)
		for i, w := range weights {
			m.LoadBalancers[0].Listeners[0].Default.Forward.Groups[i].Weight = w
		}
		s := Compile(m, nil, testEnv)
		for i, g := range s.Groups {
			setHealth(g.Targets[0], unhealthy)
			if serving[i] {
				setHealth(g.Targets[0], healthy)
			}
			g.Refresh()
		}
		forward, rnd, counts := s.Listeners[0].Default.Forward, rand.New(rand.NewPCG(13, 0)), make([]int, len(weights))
		for range 20_000 {
			w := forward.Choose(rnd.Uint64())
			counts[slices.Index(s.Groups, w.Group)]++
		}
		wantShares(t, name, counts, want)
	}
	f("all serve", true, []int{3, 1, 0}, []bool{true, true, true}, []float64{.75, .25, 0})
	f("one does not", true, []int{2, 1, 1}, []bool{false, true, true}, []float64{0, .5, .5})
	f("off", false, []int{2, 1, 1}, []bool{false, true, true}, []float64{.5, .25, .25})
	f("by the weights of the others", true, []int{5, 3, 1}, []bool{false, true, true}, []float64{0, .75, .25})
	f("the standby waits for the last", true, []int{1, 1, 0}, []bool{false, true, true}, []float64{0, 1, 0})
	f("standbys", true, []int{1, 0, 0}, []bool{false, true, true}, []float64{0, .5, .5})
	f("a standby that does not serve", true, []int{1, 0, 0}, []bool{false, false, true}, []float64{0, 0, 1})
	f("nobody serves", true, []int{3, 1, 0}, []bool{false, false, false}, []float64{.75, .25, 0})
}

// Failing over must not cost the path that works anything, and allocate nothing
// where it happens.
func TestFailoverAllocs(t *testing.T) {
	a, b := groupOf("a", 1), groupOf("b", 1)
	a.Attributes.Failover = true
	s := Compile(model(nil, a, b), nil, testEnv)
	setHealth(s.Groups[0].Targets[0], unhealthy)
	setHealth(s.Groups[1].Targets[0], healthy)
	for _, g := range s.Groups {
		g.Refresh()
	}
	random := uint64(1)
	if n := testing.AllocsPerRun(200, func() {
		random = mix(random)
		if w := s.Listeners[0].Default.Forward.Choose(random); w.Group != s.Groups[1] {
			t.Error("a group that does not serve was chosen")
		}
	}); n != 0 {
		t.Errorf("%v allocs, want 0", n)
	}
}

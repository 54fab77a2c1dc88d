package balancer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
)

const (
	initial     = health.StateInitial
	healthy     = health.StateHealthy
	unhealthy   = health.StateUnhealthy
	unused      = health.StateUnused
	draining    = health.StateDraining
	unavailable = health.StateUnavailable
)

// Which targets work goes to, by the state of each (ELB guide, Health checks
// and Target group health).
func TestEligible(t *testing.T) {
	f := func(name string, states []health.State, want []int, failOpen bool, counts Counts) {
		t.Helper()
		g := Compile(model(nil, groupOf("g", len(states))), nil, testEnv).Groups[0]
		for i, s := range states {
			setHealth(g.Targets[i], s)
		}
		g.Refresh()
		var got []int
		for i, n := range count(g, rand.New(rand.NewPCG(1, 1)), 20*len(states), nil) {
			if n > 0 {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: targets %v are picked, want %v", name, got, want)
		}
		if g.FailOpen() != failOpen {
			t.Errorf("%s: fail open %t, want %t", name, g.FailOpen(), failOpen)
		}
		if g.Counts() != counts {
			t.Errorf("%s: counts %+v, want %+v", name, g.Counts(), counts)
		}
	}
	f("no targets", nil, nil, false, Counts{})
	f("only healthy targets", []health.State{healthy, unhealthy, initial, healthy}, []int{0, 3}, false, Counts{4, 2, 1})
	f("a target that is not checked counts as well", []health.State{unavailable, unhealthy}, []int{0}, false, Counts{2, 0, 1})
	f("draining and unused targets get nothing", []health.State{healthy, draining, unused}, []int{0}, false, Counts{2, 1, 0})
	f("nor does a draining target when the group fails open", []health.State{unhealthy, draining}, []int{0}, true, Counts{1, 0, 1})
	f("all draining: work that began before is theirs", []health.State{draining, draining}, []int{0, 1}, true, Counts{2, 0, 0})
	f("none healthy: all of them", []health.State{unhealthy, unhealthy}, []int{0, 1}, true, Counts{2, 0, 2})
	f("before the first check: all of them", []health.State{initial, initial}, []int{0, 1}, true, Counts{2, 0, 0})
	f("initial and unhealthy: all of them", []health.State{initial, unhealthy}, []int{0, 1}, true, Counts{2, 0, 1})
}

func zoned(crossZone config.CrossZone, perZone ...int) *config.TargetGroup {
	total := 0
	for _, n := range perZone {
		total += n
	}
	g := groupOf("g", total)
	g.Attributes.CrossZone = crossZone
	i := 0
	for zone, n := range perZone {
		for range n {
			g.Targets[i].Zone = zone
			i++
		}
	}
	return g
}

var twoZones = []config.Zone{{Name: "a"}, {Name: "b"}}

// ELB guide, Cross-zone load balancing: with two targets in one zone and eight
// in the other, and clients spread evenly over the zones, each target gets 10 %
// when it is on, and 25 % or 6.25 % when it is off.
func TestCrossZone(t *testing.T) {
	for _, a := range algorithms {
		for mode, share := range map[config.CrossZone][2]float64{
			config.CrossZoneInherit: {0.1, 0.1}, // the load balancer's is on
			config.CrossZoneOn:      {0.1, 0.1},
			config.CrossZoneOff:     {0.25, 0.0625},
		} {
			cfg := zoned(mode, 2, 8)
			cfg.Attributes.Algorithm = a
			g := Compile(model(twoZones, cfg), nil, testEnv).Groups[0]
			rnd := rand.New(rand.NewPCG(1, uint64(mode)))
			counts := make([]int, 10)
			for i := range 8000 {
				target := g.Pick(&Pick{Random: rnd.Uint64(), Zone: i % 2})
				counts[slices.Index(g.Targets, target)]++
			}
			want := []float64{share[0], share[0]}
			for range 8 {
				want = append(want, share[1])
			}
			wantShares(t, fmt.Sprintf("%v, mode %d", a, mode), counts, want)
		}
	}
}

// The same over 100,000 requests, whose clients DNS has spread over the zones at
// random: each target's part is within one percentage point, and, for its
// difference to come by chance, within 4.5 standard deviations (99.999 %; with a
// fixed seed the outcome is the same in every run).
func TestCrossZoneShares(t *testing.T) {
	const requests = 100_000
	for _, a := range algorithms {
		for mode, share := range map[config.CrossZone][2]float64{
			config.CrossZoneOn:  {0.1, 0.1},
			config.CrossZoneOff: {0.25, 0.0625},
		} {
			cfg := zoned(mode, 2, 8)
			cfg.Attributes.Algorithm = a
			g := Compile(model(twoZones, cfg), nil, testEnv).Groups[0]
			for _, target := range g.Targets {
				setHealth(target, healthy)
			}
			g.Refresh()
			for _, drawn := range []bool{false, true} { // zones drawn by DNS, or, for one address, by Pick
				rnd := rand.New(rand.NewPCG(19, uint64(mode)))
				counts := map[*Target]int{}
				for range requests {
					p := Pick{Zone: rnd.IntN(2), Random: rnd.Uint64()}
					if drawn {
						p.Zone = config.NoZone
					}
					counts[g.Pick(&p)]++
				}
				for i, target := range g.Targets {
					want := share[min(target.Zone, 1)]
					off := float64(counts[target])/requests - want
					if limit := min(.01, 4.5*math.Sqrt(want*(1-want)/requests)); math.Abs(off) > limit {
						t.Errorf("%v, mode %d, drawn by Pick %t: target %d got %.3f %%, want %.3f ± %.3f", a, mode, drawn, i, 100*(want+off), 100*want, 100*limit)
					}
				}
			}
		}
	}
}

func TestCrossZoneOff(t *testing.T) {
	g := Compile(model(twoZones, zoned(config.CrossZoneOff, 2, 0)), nil, testEnv).Groups[0]
	if got := g.Pick(&Pick{Zone: 1}); got != nil {
		t.Errorf("a zone without targets: got %s, want none", got.Name)
	}
	if got := g.Pick(&Pick{Zone: config.NoZone}); got == nil {
		t.Error("work for no zone: got none, want any target")
	}

	g = Compile(model(twoZones, zoned(config.CrossZoneOff, 1, 2)), nil, testEnv).Groups[0]
	setHealth(g.Targets[0], unhealthy)
	setHealth(g.Targets[1], healthy)
	setHealth(g.Targets[2], unhealthy)
	g.Refresh()
	if got := g.Pick(&Pick{Zone: 0}); got != g.Targets[0] || !g.FailOpen() {
		t.Errorf("a zone fails open by itself: got %v, fail open %t", got, g.FailOpen())
	}
	for range 5 {
		if got := g.Pick(&Pick{Zone: 1}); got != g.Targets[1] {
			t.Errorf("a zone with a healthy target: got %s", got.Name)
		}
	}

	m := model(twoZones, zoned(config.CrossZoneInherit, 1, 1))
	m.LoadBalancers[0].Attributes.CrossZone = false
	g = Compile(m, nil, testEnv).Groups[0]
	if got := g.Pick(&Pick{Zone: 1}); got != g.Targets[1] {
		t.Error("a load balancer with cross-zone off: picked another zone's target")
	}

	cfg := zoned(config.CrossZoneOff, 1, 1)
	cfg.Targets[1].Zone = config.NoZone
	g = Compile(model(twoZones, cfg), nil, testEnv).Groups[0]
	if got := g.Pick(&Pick{Zone: 1}); got != g.Targets[1] {
		t.Error("a target of no zone stands in all of them: not picked")
	}
}

// Requests that alternate between two zones must still rotate inside each: a
// turn shared by the zones would show each zone every other position only.
func TestZonesRotateApart(t *testing.T) {
	g := Compile(model(twoZones, zoned(config.CrossZoneOff, 2, 2)), nil, testEnv).Groups[0]
	counts := make([]int, 4)
	for i := range 400 {
		counts[slices.Index(g.Targets, g.Pick(&Pick{Zone: i % 2}))]++
	}
	if want := []int{100, 100, 100, 100}; !slices.Equal(counts, want) {
		t.Errorf("got %v, want %v", counts, want)
	}
}

func TestForwardChoose(t *testing.T) {
	for _, weights := range [][]int{{1}, {9, 1}, {0, 5, 0, 3, 2}, {999, 1}, {1, 1, 1, 1, 1, 1, 1}} {
		var groups []WeightedGroup
		var share []float64
		total := 0
		for _, w := range weights {
			groups = append(groups, WeightedGroup{Group: new(Group), Weight: w})
			total += w
		}
		for _, w := range weights {
			share = append(share, float64(w)/float64(total))
		}
		f, rnd, counts := newForward(groups), rand.New(rand.NewPCG(1, uint64(total))), make([]int, len(weights))
		for range 20_000 {
			g := f.Choose(rnd.Uint64()).Group
			counts[slices.IndexFunc(f.Groups, func(w WeightedGroup) bool { return w.Group == g })]++
		}
		wantShares(t, fmt.Sprint("weights ", weights), counts, share)
		for _, extreme := range []uint64{0, 1<<64 - 1} {
			if f.Choose(extreme) == nil {
				t.Errorf("weights %v: Choose(%d) is nil", weights, extreme)
			}
		}
	}
	for _, f := range []*Forward{newForward(nil), newForward([]WeightedGroup{{Group: new(Group)}, {Group: new(Group)}})} {
		if got := f.Choose(1 << 63); got != nil {
			t.Errorf("no weight at all: got %v, want nil", got)
		}
	}
}

// What is written for each request is alone on its cache line; what is only
// read is on others.
func TestTargetStateLayout(t *testing.T) {
	var s TargetState
	if unsafe.Offsetof(s.Outstanding) != 0 || unsafe.Offsetof(s.Conns) < cacheLine || unsafe.Sizeof(s)%cacheLine != 0 {
		t.Errorf("Outstanding at %d, Conns at %d, size %d", unsafe.Offsetof(s.Outstanding), unsafe.Offsetof(s.Conns), unsafe.Sizeof(s))
	}
}

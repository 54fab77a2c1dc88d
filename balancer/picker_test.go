package balancer

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
)

var algorithms = []config.Algorithm{config.RoundRobin, config.LeastOutstandingRequests, config.WeightedRandom}

// count picks n times and returns how often each target of the group came.
func count(g *Group, rnd *rand.Rand, n int, exclude *Target) []int {
	counts := make([]int, len(g.Targets))
	for range n {
		t := g.Pick(&Pick{Random: rnd.Uint64(), Zone: config.NoZone, Exclude: exclude})
		for i := range g.Targets {
			if g.Targets[i] == t {
				counts[i]++
			}
		}
	}
	return counts
}

func TestPickIsEven(t *testing.T) {
	for _, a := range algorithms {
		for _, n := range []int{1, 2, 3, 7, 64, exactScan + 1, 300} {
			g := pickable(a, n)
			wantEven(t, fmt.Sprintf("%v of %d", a, n), count(g, rand.New(rand.NewPCG(1, uint64(n))), 200*n, nil))
		}
	}
}

// A retry excludes the target that failed: it never goes there again, and the
// others share it evenly.
func TestPickExcludes(t *testing.T) {
	for _, a := range algorithms {
		for _, n := range []int{2, 3, 5, exactScan + 1} {
			g := pickable(a, n)
			counts := count(g, rand.New(rand.NewPCG(2, uint64(n))), 200*n, g.Targets[1])
			if counts[1] != 0 {
				t.Errorf("%v of %d: the excluded target was picked %d times", a, n, counts[1])
			}
			wantEven(t, fmt.Sprintf("%v of %d", a, n), append(counts[:1:1], counts[2:]...))
		}
		g := pickable(a, 1)
		if got := g.Pick(&Pick{Exclude: g.Targets[0]}); got != g.Targets[0] {
			t.Errorf("%v: an excluded target that is alone: got %v", a, got)
		}
		g, other := pickable(a, 3), pickable(a, 1)
		wantEven(t, fmt.Sprintf("%v, exclude of another group", a), count(g, rand.New(rand.NewPCG(3, 0)), 300, other.Targets[0]))
	}
}

// One target of three fails every request. The other two must carry the same,
// first picks and retries together, until health takes it out.
func TestRetriesDoNotSkew(t *testing.T) {
	for _, a := range algorithms {
		g, rnd := pickable(a, 3), rand.New(rand.NewPCG(4, uint64(a)))
		counts := make([]int, 3)
		for range 3000 {
			p := Pick{Random: rnd.Uint64(), Zone: config.NoZone}
			got := g.Pick(&p)
			if got == g.Targets[0] {
				p.Exclude, p.Random = got, rnd.Uint64()
				got = g.Pick(&p)
			}
			for i := range g.Targets {
				if g.Targets[i] == got {
					counts[i]++
				}
			}
		}
		wantEven(t, a.String(), counts[1:])
	}
}

// round_robin is a strict rotation, however many goroutines pick.
func TestRoundRobinIsStrict(t *testing.T) {
	g := pickable(config.RoundRobin, 7)
	var wg sync.WaitGroup
	all := make([][]int, 4)
	for i := range all {
		wg.Go(func() { all[i] = count(g, rand.New(rand.NewPCG(5, uint64(i))), 7*250, nil) })
	}
	wg.Wait()
	for i := range g.Targets {
		total := 0
		for _, counts := range all {
			total += counts[i]
		}
		if total != 1000 {
			t.Errorf("target %d was picked %d times, want 1000", i, total)
		}
	}
}

// The turn goes on over refreshes and snapshots: otherwise health edges would
// favour the first targets.
func TestRoundRobinKeepsItsTurn(t *testing.T) {
	cfg := groupOf("g", 3)
	m := model(nil, cfg)
	s := Compile(m, nil, testEnv)
	var got []int
	for i := range 9 {
		p := Pick{Zone: config.NoZone}
		target := s.Groups[0].Pick(&p)
		for j := range s.Groups[0].Targets {
			if s.Groups[0].Targets[j] == target {
				got = append(got, j)
			}
		}
		if i%2 == 0 {
			s = Compile(m, s, testEnv)
		} else {
			s.Groups[0].Refresh()
		}
	}
	if want := "[0 1 2 0 1 2 0 1 2]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// A target may leave and come back between any two picks; no target may gain
// from it. Each change may add one pick to the difference between two targets.
func TestRoundRobinWhileHealthFlaps(t *testing.T) {
	g, rnd := pickable(config.RoundRobin, 4), rand.New(rand.NewPCG(6, 0))
	counts, states := make([]int, 4), []health.State{health.StateHealthy, health.StateUnhealthy}
	for range 2000 {
		setHealth(g.Targets[3], states[rnd.IntN(2)])
		g.Refresh()
		for i, n := range count(g, rnd, rnd.IntN(6), nil) {
			counts[i] += n
		}
	}
	wantEven(t, "the targets that stayed", counts[:3])
}

func TestLeastOutstandingPicksTheLeast(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 0))
	for range 200 {
		g := pickable(config.LeastOutstandingRequests, 2+rnd.IntN(10))
		least := int64(1 << 60)
		for _, target := range g.Targets {
			n := rnd.Int64N(4)
			target.State.Outstanding.Store(n)
			least = min(least, n)
		}
		if got := g.Pick(&Pick{Random: rnd.Uint64(), Zone: config.NoZone}); got.State.Outstanding.Load() != least {
			t.Fatalf("picked a target with %d outstanding, the least is %d", got.State.Outstanding.Load(), least)
		}
	}
}

// Ties are drawn evenly wherever in the group they stand: going on from a
// random place to the next tie would favour those behind a gap.
func TestLeastOutstandingTies(t *testing.T) {
	g := pickable(config.LeastOutstandingRequests, 12)
	for i, target := range g.Targets {
		if i != 0 && i != 1 && i != 8 {
			target.State.Outstanding.Store(5)
		}
	}
	counts := count(g, rand.New(rand.NewPCG(8, 0)), 6000, nil)
	wantEven(t, "ties", []int{counts[0], counts[1], counts[8]})
	if counts[0]+counts[1]+counts[8] != 6000 {
		t.Errorf("counts %v, want only the ties", counts)
	}
}

// Work that is taken up one after the other stays level to within one.
func TestLeastOutstandingFillsEvenly(t *testing.T) {
	g, rnd := pickable(config.LeastOutstandingRequests, 9), rand.New(rand.NewPCG(9, 0))
	for i := range 9 * 50 {
		g.Pick(&Pick{Random: rnd.Uint64(), Zone: config.NoZone}).State.Outstanding.Add(1)
		for _, target := range g.Targets {
			if n := target.State.Outstanding.Load(); n < int64(i/9) || n > int64(i/9)+1 {
				t.Fatalf("after %d picks a target has %d", i+1, n)
			}
		}
	}
}

// Goroutines that pick, hold and release at random: a slow target, which holds
// its requests longer, gets fewer of them, and all counts end at zero.
func TestLeastOutstandingUnderConcurrency(t *testing.T) {
	g := pickable(config.LeastOutstandingRequests, 4)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(10, uint64(i)))
			var held []*Target
			for range 2000 {
				p := Pick{Random: rnd.Uint64(), Zone: config.NoZone}
				target := g.Pick(&p)
				target.State.Outstanding.Add(1)
				held = append(held, target)
				if len(held) > 4 {
					at := rnd.IntN(len(held))
					held[at].State.Outstanding.Add(-1)
					held[at] = held[len(held)-1]
					held = held[:len(held)-1]
				}
			}
			for _, target := range held {
				target.State.Outstanding.Add(-1)
			}
		})
	}
	wg.Wait()
	for _, target := range g.Targets {
		if n := target.State.Outstanding.Load(); n != 0 {
			t.Errorf("%s: %d outstanding, want 0", target.Name, n)
		}
	}
}

// Goroutines that pick at the same moment may see the same counts. Each of them
// adds one at most to what it saw, so the counts are never further apart than
// there are goroutines, and no goroutine makes them drift.
func TestLeastOutstandingIsBounded(t *testing.T) {
	const goroutines = 16
	for _, n := range []int{2, 5, 40} {
		g := pickable(config.LeastOutstandingRequests, n)
		var wg sync.WaitGroup
		for i := range goroutines {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(18, uint64(i)))
				for range 1000 {
					g.Pick(&Pick{Random: rnd.Uint64(), Zone: config.NoZone}).State.Outstanding.Add(1)
				}
			})
		}
		wg.Wait()
		least, most := int64(1<<62), int64(0)
		for _, target := range g.Targets {
			outstanding := target.State.Outstanding.Load()
			least, most = min(least, outstanding), max(most, outstanding)
		}
		if most-least > goroutines {
			t.Errorf("%d targets: from %d to %d outstanding, at most %d apart", n, least, most, goroutines)
		}
	}
}

// A group beyond exactScan is sampled: nearly all picks are among the best
// tenth. The exact share of misses is 0.9^32, 3.4 %; 5 % leaves nine standard
// deviations.
func TestLeastOutstandingSamples(t *testing.T) {
	g, rnd := pickable(config.LeastOutstandingRequests, 1000), rand.New(rand.NewPCG(11, 0))
	for i, target := range g.Targets {
		target.State.Outstanding.Store(int64(i))
	}
	misses := 0
	for range 10_000 {
		if g.Pick(&Pick{Random: rnd.Uint64(), Zone: config.NoZone}).State.Outstanding.Load() >= 100 {
			misses++
		}
	}
	if misses > 500 {
		t.Errorf("%d of 10000 picks were not among the best tenth", misses)
	}
}

// The number that chose the group also serves the pick: inside each group the
// targets must still be even.
func TestOneRandomNumberForBoth(t *testing.T) {
	a, b := pickable(config.WeightedRandom, 4), pickable(config.WeightedRandom, 4)
	f := newForward([]WeightedGroup{{Group: a, Weight: 1}, {Group: b, Weight: 3}})
	rnd := rand.New(rand.NewPCG(12, 0))
	counts := make([]int, 8)
	for range 40_000 {
		random := rnd.Uint64()
		g := f.Choose(random).Group
		target := g.Pick(&Pick{Random: random, Zone: config.NoZone})
		for i, t := range append(a.Targets[:4:4], b.Targets...) {
			if t == target {
				counts[i]++
			}
		}
	}
	wantEven(t, "first group", counts[:4])
	wantEven(t, "second group", counts[4:])
}

func TestPickAllocs(t *testing.T) {
	for _, a := range algorithms {
		g := pickable(a, 200)
		f := newForward([]WeightedGroup{{Group: g, Weight: 1}, {Group: g, Weight: 2}})
		random := uint64(1)
		for _, exclude := range []*Target{nil, g.Targets[5]} {
			if n := testing.AllocsPerRun(200, func() {
				random = mix(random)
				f.Choose(random).Group.Pick(&Pick{Random: random, Zone: config.NoZone, Exclude: exclude})
			}); n != 0 {
				t.Errorf("%v: %v allocs per pick, want 0", a, n)
			}
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, a := range algorithms {
		for _, n := range []int{3, 16, exactScan, 1000} {
			g := pickable(a, n)
			b.Run(fmt.Sprintf("%v/%d", a, n), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					random := rand.Uint64()
					for pb.Next() {
						random = mix(random)
						t := g.Pick(&Pick{Random: random, Zone: config.NoZone})
						t.State.Outstanding.Add(1)
						t.State.Outstanding.Add(-1)
					}
				})
			})
		}
	}
}

// BenchmarkTargetStateLayout is the reason for the padding in TargetState: what
// it costs to read a field while another core counts requests, with the field on
// the line of the counter and on a line of its own.
func BenchmarkTargetStateLayout(b *testing.B) {
	run := func(name string, outstanding *atomic.Int64, field *atomic.Pointer[int]) {
		b.Run(name, func(b *testing.B) {
			stop := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						outstanding.Add(1)
						outstanding.Add(-1)
					}
				}
			})
			for b.Loop() {
				if field.Load() != nil {
					b.Fatal("never set")
				}
			}
			close(stop)
			wg.Wait()
		})
	}
	together := new(struct {
		outstanding atomic.Int64
		field       atomic.Pointer[int]
		_           [cacheLine - 16]byte
	})
	apart := new(struct {
		outstanding atomic.Int64
		_           [cacheLine - 8]byte
		field       atomic.Pointer[int]
		_           [cacheLine - 8]byte
	})
	run("together", &together.outstanding, &together.field)
	run("apart", &apart.outstanding, &apart.field)
}

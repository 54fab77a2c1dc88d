package balancer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
)

// slowGroup is a group in a Live, whose time the test moves.
type slowGroup struct {
	t     *testing.T
	live  Live
	now   time.Time
	cfg   *config.TargetGroup
	zones []config.Zone
}

func newSlowGroup(t *testing.T, n int, duration time.Duration) *slowGroup {
	s := &slowGroup{t: t, now: time.Unix(1_800_000_000, 0), cfg: groupOf("g", n)}
	s.cfg.Attributes.SlowStart = duration
	s.live.Tick(s.now)
	s.reload()
	return s
}

func (s *slowGroup) reload() {
	s.live.Swap(Compile(model(s.zones, s.cfg), s.live.Load(), testEnv))
}

func (s *slowGroup) group() *Group { return s.live.Load().Groups[0] }

// becomes moves a target to a state at the present time.
func (s *slowGroup) becomes(i int, state health.State) {
	t := s.group().Targets[i]
	t.State.Health.Store(health.Status{State: state, Since: s.now})
	s.live.HealthChanged(t.Key)
}

func (s *slowGroup) pass(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(TickInterval)
		s.live.Tick(s.now)
	}
}

// want fails unless the targets have these weights, and get the work that these
// weights make.
func (s *slowGroup) want(what string, weights ...float64) {
	s.t.Helper()
	g, total := s.group(), 0.0
	for i, w := range weights {
		if got := g.Weight(i); math.Abs(got-max(w, minWeight)) > 1e-9 && isWell(g.Targets[i].State.Health.State()) {
			s.t.Errorf("%s: weight %d is %v, want %v", what, i, got, w)
		}
		total += w
	}
	const n = 10_000
	counts := count(g, rand.New(rand.NewPCG(14, 0)), n, nil)
	for i, w := range weights {
		if want := w / total * n; math.Abs(float64(counts[i])-want) > 6+want/200 {
			s.t.Errorf("%s: target %d got %d of %d, want %.0f", what, i, counts[i], n, want)
		}
	}
}

// ALB guide, Slow start mode.
func TestSlowStart(t *testing.T) {
	s := newSlowGroup(t, 3, 100*time.Second)
	s.becomes(0, healthy)
	s.pass(2 * time.Second)
	s.becomes(1, healthy)
	s.want("targets registered together begin with whole shares", 1, 1, 0)
	s.becomes(2, unhealthy)
	s.pass(5 * time.Second)
	s.becomes(2, healthy)
	s.want("a target that has become healthy", 1, 1, minWeight)
	for _, percent := range []int{10, 25, 50, 75, 99} {
		s.pass(time.Duration(percent)*time.Second - s.now.Sub(s.group().Targets[2].State.Health.Detail().Since))
		s.want(fmt.Sprint(percent, " % of the time"), 1, 1, float64(percent)/100)
	}
	s.pass(time.Second)
	s.want("the time is over", 1, 1, 1)
	if s.group().moving || s.group().eligible.Load().all.shares != nil {
		t.Error("the group goes on being weighed")
	}

	s.becomes(2, unhealthy)
	s.want("it fails", 1, 1, 0)
	s.becomes(2, healthy)
	s.pass(50 * time.Second)
	s.want("it begins anew", 1, 1, .5)
	s.becomes(2, unhealthy)
	s.becomes(2, healthy)
	s.want("it fails on the way", 1, 1, minWeight)
	s.pass(50 * time.Second)
	s.reload()
	s.want("a reload changes nothing", 1, 1, .5)
	s.cfg.Attributes.SlowStart = 0
	s.reload()
	s.want("slow start is turned off", 1, 1, 1)
	s.cfg.Attributes.SlowStart = 30 * time.Second
	s.reload()
	s.want("targets that are healthy when it is turned on", 1, 1, 1)
}

// A target that comes to a group that works begins slowly; so does one that
// comes to a group where all do; one that comes to a group where nobody works
// does not.
func TestSlowStartOfNewTargets(t *testing.T) {
	s := newSlowGroup(t, 1, 100*time.Second)
	s.becomes(0, healthy)
	s.cfg.Targets = groupOf("g", 2).Targets
	s.reload()
	s.becomes(1, healthy)
	s.want("a new target", 1, minWeight)
	s.pass(20 * time.Second)
	s.want("a new target, after a while", 1, .2)
	s.becomes(0, unhealthy)
	s.want("the old one fails", 0, .2)
	s.pass(10 * time.Second)
	s.becomes(0, healthy)
	s.want("comes back while the only other one is in slow start", 1, .3)

	s = newSlowGroup(t, 2, 100*time.Second)
	s.becomes(0, unhealthy)
	s.becomes(1, unhealthy)
	s.becomes(1, healthy)
	s.want("the first to become healthy", 0, 1)
	s.becomes(0, healthy)
	s.want("the second", minWeight, 1)
	s.pass(10 * time.Second)
	s.becomes(0, unhealthy)
	s.becomes(1, unhealthy)
	s.want("fail open: all the same", 1, 1)
}

// With cross-zone load balancing off a zone's shares are those of its targets.
func TestSlowStartByZone(t *testing.T) {
	s := newSlowGroup(t, 0, 100*time.Second)
	s.zones, s.cfg = twoZones, zoned(config.CrossZoneOff, 1, 2)
	s.cfg.Attributes.SlowStart = 100 * time.Second
	s.reload()
	for i := range 2 {
		s.becomes(i, healthy)
	}
	s.becomes(2, unhealthy)
	s.becomes(2, healthy)
	s.pass(50 * time.Second)
	counts := map[*Target]int{}
	for i := range 6000 {
		counts[s.group().Pick(&Pick{Zone: i % 2})]++
	}
	for i, want := range []int{3000, 2000, 1000} {
		if got := counts[s.group().Targets[i]]; got < want-5 || got > want+5 {
			t.Errorf("target %d got %d, want %d", i, got, want)
		}
	}
}

// Shares against the weights they are made of, by every number at the borders of
// intervals and by many between.
func TestShares(t *testing.T) {
	rnd := rand.New(rand.NewPCG(15, 0))
	for range 200 {
		weights := make([]float64, 2+rnd.IntN(200))
		total := 0.0
		for i := range weights {
			weights[i] = minWeight + rnd.Float64()
			total += weights[i]
		}
		s, begin := newShares(weights), uint64(0)
		for i, end := range s.ends {
			if got := float64(end-begin) / (1 << 64) * total; math.Abs(got-weights[i]) > 1e-6 {
				t.Fatalf("weight %d is %v, want %v", i, got, weights[i])
			}
			for _, u := range []uint64{begin, begin + (end-begin)/2, end} {
				if got := s.at(u); got != i {
					t.Fatalf("%d belongs to %d, want %d", u, got, i)
				}
			}
			if got := s.except(rnd.Uint64(), i); got == i {
				t.Fatalf("target %d was excluded and drawn", i)
			}
			begin = end + 1
		}
		if begin != 0 {
			t.Fatal("the intervals do not end with the largest number")
		}
	}
	if newShares([]float64{.5, .5}) != nil {
		t.Error("equal weights need no shares")
	}
}

// A retry goes to the others by their weights.
func TestSharesExcept(t *testing.T) {
	s, rnd := newShares([]float64{1, 2, 3, 4}), rand.New(rand.NewPCG(16, 0))
	for excluded := range 4 {
		counts, want := make([]int, 4), make([]float64, 4)
		for range 20_000 {
			counts[s.except(rnd.Uint64(), excluded)]++
		}
		for i := range want {
			if i != excluded {
				want[i] = float64(i+1) / float64(10-excluded-1)
			}
		}
		wantShares(t, fmt.Sprint("without ", excluded), counts, want)
	}
}

// weighted returns a healthy group of which every other target is in slow start.
func weighted(a config.Algorithm, n int) *Group {
	g := pickable(a, n)
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = 1 / float64(1+i%2)
	}
	g.publish(weights, nil)
	return g
}

// In any run, round robin stays within a few picks of the shares.
func TestWeightedRoundRobinIsEven(t *testing.T) {
	g := weighted(config.RoundRobin, 9)
	counts := map[*Target]int{}
	for i := range 7000 {
		counts[g.Pick(&Pick{Zone: config.NoZone})]++
		for j, target := range g.Targets {
			want := float64(i+1) / 7 / float64(1+j%2)
			if got := counts[target]; math.Abs(float64(got)-want) > 5 {
				t.Fatalf("after %d picks target %d has %d, want %.0f", i+1, j, got, want)
			}
		}
	}
}

func TestWeightedPickAllocs(t *testing.T) {
	for _, a := range []config.Algorithm{config.RoundRobin, config.WeightedRandom} {
		g, random := weighted(a, 200), uint64(1)
		for _, exclude := range []*Target{nil, g.Targets[5]} {
			if n := testing.AllocsPerRun(200, func() {
				random = mix(random)
				g.Pick(&Pick{Random: random, Zone: config.NoZone, Exclude: exclude})
			}); n != 0 {
				t.Errorf("%v: %v allocs per pick, want 0", a, n)
			}
		}
	}
}

func BenchmarkWeightedPick(b *testing.B) {
	for _, a := range []config.Algorithm{config.RoundRobin, config.WeightedRandom} {
		for _, n := range []int{3, 16, 1000} {
			g := weighted(a, n)
			b.Run(fmt.Sprintf("%v/%d", a, n), func(b *testing.B) {
				b.ReportAllocs()
				random := rand.Uint64()
				for b.Loop() {
					random = mix(random)
					g.Pick(&Pick{Random: random, Zone: config.NoZone})
				}
			})
		}
	}
}

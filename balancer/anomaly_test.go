package balancer

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/metrics"
)

// anomalyGroup is a group under traffic, whose targets do as the test says.
type anomalyGroup struct {
	*slowGroup
	rnd      *rand.Rand
	rate     int       // requests per second of the whole group
	fails    []float64 // per target, the part of its requests that gets a 5xx
	refuses  []bool    // per target: no connection
	answers  []time.Duration
	picked   []int // in the last second
	outliers bool  // one answer in 500 takes ten seconds
}

func newAnomalyGroup(t *testing.T, n, rate int, mitigate bool) *anomalyGroup {
	a := &anomalyGroup{
		slowGroup: &slowGroup{t: t, now: time.Unix(1_800_000_000, 0), cfg: groupOf("g", n)},
		rnd:       rand.New(rand.NewPCG(17, uint64(n*rate))), rate: rate,
		fails: make([]float64, n), refuses: make([]bool, n), answers: make([]time.Duration, n),
	}
	a.cfg.Attributes.Algorithm, a.cfg.Attributes.AnomalyMitigation = config.WeightedRandom, mitigate
	registry := metrics.New(2, metrics.Options{})
	env := testEnv
	env.TargetMetrics = func(k Key, _ *config.Target) *metrics.Target { return registry.Target(k.Group, k.Addr.String(), "") }
	a.live.Tick(a.now)
	a.live.Swap(Compile(model(nil, a.cfg), nil, env))
	for i := range n {
		a.answers[i] = 10 * time.Millisecond
		a.becomes(i, healthy)
	}
	return a
}

// second lets a second of requests pass.
func (a *anomalyGroup) second() {
	g := a.group()
	a.picked = make([]int, len(g.Targets))
	index := map[*Target]int{}
	for i, t := range g.Targets {
		index[t] = i
	}
	for range a.rate {
		t := g.Pick(&Pick{Random: a.rnd.Uint64(), Zone: config.NoZone})
		i := index[t]
		a.picked[i]++
		shard := t.Metrics.Shard(a.rnd.IntN(2))
		if a.refuses[i] {
			shard.ConnectionErrors.Inc()
			continue
		}
		status, took := 200, time.Duration(a.rnd.ExpFloat64()*float64(a.answers[i]))
		if a.rnd.Float64() < a.fails[i] {
			status = 503
		}
		if a.outliers && a.rnd.IntN(500) == 0 {
			took = 10 * time.Second
		}
		shard.TargetCode(status)
		shard.Observe(int64(took))
	}
	a.pass(time.Second)
}

// share is what target i gets in the next n seconds, in parts of an equal share.
func (a *anomalyGroup) share(i, n int) float64 {
	got := 0
	for range n {
		a.second()
		got += a.picked[i]
	}
	return float64(got) / float64(a.rate*n) * float64(len(a.fails))
}

// A target that goes bad loses at least 80 % of its share within ten seconds,
// keeps what measures it, and has all of it back within 60 seconds after it
// recovers. When it goes bad, within the five seconds between judgements, does
// not matter.
func TestAnomalyMitigation(t *testing.T) {
	bad := map[string]func(a *anomalyGroup, on bool){
		"30 % 5xx":       func(a *anomalyGroup, on bool) { a.fails[1] = .3 * boolTo(on) },
		"all 5xx":        func(a *anomalyGroup, on bool) { a.fails[1] = boolTo(on) },
		"no connections": func(a *anomalyGroup, on bool) { a.refuses[1] = on },
		"ten times slower": func(a *anomalyGroup, on bool) {
			a.answers[1] = 10 * time.Millisecond * time.Duration(1+9*boolTo(on))
		},
	}
	for name, set := range bad {
		for _, n := range []int{3, 10} {
			for _, rate := range []int{20 * n, 40 * n} {
				for phase := range judgeEvery {
					a := newAnomalyGroup(t, n, rate, true)
					for range 10 + phase {
						a.second()
					}
					if anomalous, mitigated := a.group().Anomalies(); anomalous != 0 || mitigated != 0 {
						t.Errorf("%s, %d targets, %d requests/s: %d anomalous, %d mitigated before anything is wrong", name, n, rate, anomalous, mitigated)
					}
					set(a, true)
					for range 10 {
						a.second()
					}
					// Anomalous it may be or not: of the few requests that it
					// still gets, none may have failed for a moment.
					if v := a.group().Verdict(1); !v.Mitigated {
						t.Errorf("%s, %d targets, %d requests/s, phase %d: after 10 s it is not mitigated", name, n, rate, phase)
					}
					if got := a.share(1, 5); got > .2 {
						t.Errorf("%s, %d targets, %d requests/s, phase %d: after 10 s it gets %.2f of its share", name, n, rate, phase, got)
					}
					if got := a.share(1, 60); got > .2 || got == 0 {
						t.Errorf("%s, %d targets, %d requests/s, phase %d: in the minute after it gets %.2f of its share", name, n, rate, phase, got)
					}
					set(a, false)
					for range 60 {
						a.second()
					}
					if v, w := a.group().Verdict(1), a.group().Weight(1); v != (Verdict{}) || w != 1 {
						t.Errorf("%s, %d targets, %d requests/s, phase %d: 60 s after it recovered %+v, weight %v", name, n, rate, phase, v, w)
					}
				}
			}
		}
	}
}

func boolTo(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Nothing is anomalous when all targets are the same, however bad they are, in
// 20 minutes each.
func TestNoAnomaly(t *testing.T) {
	f := func(name string, n, rate int, set func(*anomalyGroup)) {
		t.Helper()
		a := newAnomalyGroup(t, n, rate, true)
		set(a)
		for range 1200 {
			a.second()
			if anomalous, _ := a.group().Anomalies(); anomalous > 0 {
				t.Errorf("%s: %d targets anomalous", name, anomalous)
				return
			}
		}
	}
	all := func(a *anomalyGroup, fails float64) {
		for i := range a.fails {
			a.fails[i] = fails
		}
	}
	f("well", 3, 60, func(*anomalyGroup) {})
	f("hardly any traffic", 5, 2, func(a *anomalyGroup) { all(a, .05) })
	f("all fail 1 %", 10, 200, func(a *anomalyGroup) { all(a, .01) })
	f("all fail 30 %", 4, 200, func(a *anomalyGroup) { all(a, .3) })
	f("all fail", 4, 100, func(a *anomalyGroup) { all(a, 1) })
	f("two targets are not enough", 2, 100, func(a *anomalyGroup) { a.fails[0] = 1 })
	f("a few answers take long", 5, 200, func(a *anomalyGroup) { a.outliers = true })
	f("twice as slow", 4, 200, func(a *anomalyGroup) { a.answers[0] *= 2 })
	f("slower by what nobody notices", 4, 200, func(a *anomalyGroup) {
		for i := range a.answers {
			a.answers[i] = 200 * time.Microsecond
		}
		a.answers[0] = 2 * time.Millisecond
	})
}

// Anomalies are found in any group; only with mitigation do they cost weight. At
// most half of the targets are found, and a target that failed its checks is no
// anomaly.
func TestAnomaliesWithoutMitigation(t *testing.T) {
	a := newAnomalyGroup(t, 5, 500, false)
	a.cfg.Attributes.Algorithm = config.RoundRobin
	a.fails = []float64{1, 1, 1, 0, 0}
	for range 20 {
		a.second()
	}
	if anomalous, mitigated := a.group().Anomalies(); anomalous != 2 || mitigated != 0 || a.group().Weight(0) != 1 {
		t.Errorf("%d anomalous, %d mitigated, weight %v; want 2, 0 and 1", anomalous, mitigated, a.group().Weight(0))
	}
	a.becomes(0, unhealthy)
	a.pass(TickInterval)
	if v := a.group().Verdict(0); v != (Verdict{}) {
		t.Errorf("unhealthy: %+v", v)
	}
	for i := range 3 {
		a.becomes(i, unhealthy)
	}
	a.pass(5 * TickInterval)
	if anomalous, _ := a.group().Anomalies(); anomalous != 0 {
		t.Errorf("two healthy targets: %d anomalous", anomalous)
	}
}

// What is known of targets survives a reload, and counters that begin anew, as
// for a target that changes its zone, are no negative number of requests.
func TestAnomalySurvivesReload(t *testing.T) {
	a := newAnomalyGroup(t, 3, 300, true)
	a.fails[2] = 1
	for range 10 {
		a.second()
	}
	env := testEnv
	registry := metrics.New(2, metrics.Options{})
	env.TargetMetrics = func(k Key, _ *config.Target) *metrics.Target { return registry.Target(k.Group, k.Addr.String(), "b") }
	old := a.live.Load()
	a.live.Swap(Compile(model(nil, a.cfg), old, Env{NewTargetState: testEnv.NewTargetState, TargetMetrics: func(k Key, _ *config.Target) *metrics.Target {
		for target := range old.Targets() {
			if target.Key == k {
				return target.Metrics
			}
		}
		return nil
	}}))
	if v := a.group().Verdict(2); !v.Mitigated || math.Abs(a.group().Weight(2)-mitigatedWeight) > 1e-9 {
		t.Errorf("after a reload: %+v, weight %v", v, a.group().Weight(2))
	}
	a.live.Swap(Compile(model(nil, a.cfg), a.live.Load(), env))
	a.fails[2] = 0
	for range 10 {
		a.second()
	}
	if anomalous, mitigated := a.group().Anomalies(); anomalous != 0 || mitigated != 0 {
		t.Errorf("new counters: %d anomalous, %d mitigated", anomalous, mitigated)
	}
}

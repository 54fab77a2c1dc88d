package balancer

import (
	"fmt"
	"math"
	"net/netip"
	"testing"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
)

// testEnv makes states without connections or counters.
var testEnv = Env{NewTargetState: func(Key, *config.TargetGroup, *config.Target) *TargetState { return new(TargetState) }}

// model builds a model of one load balancer with one listener on port 80 that
// forwards to the groups in equal parts.
func model(zones []config.Zone, groups ...*config.TargetGroup) *config.Model {
	lb := &config.LoadBalancer{Name: "web", Attributes: config.LoadBalancerAttributes{CrossZone: true}}
	forward := &config.ForwardAction{}
	for _, g := range groups {
		forward.Groups = append(forward.Groups, config.WeightedGroup{Group: g, Weight: 1})
	}
	lb.Listeners = []*config.Listener{{LoadBalancer: lb, Port: 80, Default: config.Actions{Type: config.Forward, Forward: forward}}}
	return &config.Model{Zones: zones, LoadBalancers: []*config.LoadBalancer{lb}, TargetGroups: groups}
}

// groupOf returns a target group with targets 10.0.0.1:8080 and on.
func groupOf(name string, n int) *config.TargetGroup {
	g := &config.TargetGroup{Name: name}
	for i := range n {
		a := netip.AddrFrom4([4]byte{10, 0, byte((i + 1) >> 8), byte(i + 1)})
		g.Targets = append(g.Targets, config.Target{ID: a.String(), Addr: a, Port: 8080, Zone: config.NoZone})
	}
	return g
}

// pickable compiles a group of n healthy targets under the algorithm.
func pickable(a config.Algorithm, n int) *Group {
	cfg := groupOf("g", n)
	cfg.Attributes.Algorithm = a
	g := Compile(model(nil, cfg), nil, testEnv).Groups[0]
	for _, t := range g.Targets {
		setHealth(t, health.StateHealthy)
	}
	g.Refresh()
	return g
}

func setHealth(t *Target, s health.State) { t.State.Health.Store(health.Status{State: s}) }

func names(targets []*Target) (out []string) {
	for _, t := range targets {
		out = append(out, fmt.Sprint(t.Addr))
	}
	return out
}

// wantEven fails unless the counts could well come from equal shares. It is
// Pearson's chi-square test at a confidence of 99.99 %; with a fixed seed the
// outcome is the same in every run.
func wantEven(t *testing.T, what string, counts []int) {
	t.Helper()
	share := make([]float64, len(counts))
	for i := range share {
		share[i] = 1 / float64(len(counts))
	}
	wantShares(t, what, counts, share)
}

func wantShares(t *testing.T, what string, counts []int, share []float64) {
	t.Helper()
	total := 0
	for _, n := range counts {
		total += n
	}
	chi, degrees := 0.0, -1.0
	for i, n := range counts {
		if share[i] == 0 {
			if n != 0 {
				t.Errorf("%s: counts %v where none is expected at %d", what, counts, i)
			}
			continue
		}
		expect := share[i] * float64(total)
		chi += (float64(n) - expect) * (float64(n) - expect) / expect
		degrees++
	}
	// Wilson and Hilferty's approximation of the 99.99 % quantile (z = 3.719).
	limit := degrees * math.Pow(1-2/(9*degrees)+3.719*math.Sqrt(2/(9*degrees)), 3)
	if degrees > 0 && chi > limit {
		t.Errorf("%s: counts %v for shares %v: chi-square %.1f, want at most %.1f", what, counts, share, chi, limit)
	}
}

package balancer

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
	"github.com/elbow-lb/elbow/internal/metrics"
)

// Group is a target group in one Snapshot.
type Group struct {
	// Immutable after Compile.
	Name          string
	LogName       string // in access logs: "targetgroup/web/73e2d6bc24d8a067"
	Config        *config.TargetGroup
	Targets       []*Target              // all registered ones, in the order of the configuration
	LoadBalancers []*config.LoadBalancer // those with an action that forwards here; none: ELB's Target.NotInUse
	Metrics       *metrics.Group
	Stickiness    Stickiness // of clients to a target

	// pickers holds one picker for the group and, with cross-zone load
	// balancing off, one for each zone after it: a rotation that zones shared
	// would have each zone see only some of its positions.
	pickers []Picker

	limit int64  // elbow.max_outstanding_requests; 0: none
	queue *queue // of requests that found no target below it; never nil

	budget *retryBudget // nil: none

	eligible atomic.Pointer[eligible]

	// moving tells that the weights change with time, so that each Tick must
	// look at them. Guarded by the mutex of Live.
	moving bool
}

// eligible is the targets of a group that may be picked. It never changes; a
// health edge replaces it.
type eligible struct {
	all      scope
	zones    []scope // by zone; nil with cross-zone load balancing on
	drawn    []int   // zones that have a target that is well; nil when none has
	failOpen bool    // in any of them
	counts   Counts
	weights  []float64 // of Group.Targets; nil when all are 1
	verdicts []Verdict // of Group.Targets; nil when all are normal

	byCookie map[uint64]*Target // of all; nil without stickiness
}

// scope is the eligible targets of a group or of one of its zones.
type scope struct {
	targets  []*Target
	shares   *Shares // of targets; nil: all take the same
	failOpen bool
}

// Counts is how many targets of a group are in which state.
type Counts struct {
	Registered int
	Healthy    int // HealthyHostCount
	Unhealthy  int // UnHealthyHostCount
}

// Pick is what a choice of target depends on.
type Pick struct {
	Random  uint64  // uniform over all 64 bits; the one given to Forward.Choose will do
	Zone    int     // zone of the address that the client came to, or config.NoZone
	Exclude *Target // one that just failed; skipped when another is eligible. Nil: none
}

// Pick returns a target by the group's algorithm, or nil when there is none to
// pick: the group, or with cross-zone load balancing off the zone, has no
// target. It does not block, allocate or take a lock, and it counts nothing:
// the caller Enters.
//
// With cross-zone load balancing off, work that came to no zone in particular is
// drawn evenly over the zones that have a target known to be well, as ELB's DNS
// draws the addresses of clients.
func (g *Group) Pick(p *Pick) *Target {
	e := g.eligible.Load()
	s, picker := &e.all, g.pickers[0]
	zone := p.Zone
	if zone == config.NoZone && len(e.drawn) > 0 {
		zone = e.drawn[reduce(mix(^p.Random), uint64(len(e.drawn)))]
	}
	if uint(zone) < uint(len(e.zones)) {
		s, picker = &e.zones[zone], g.pickers[1+zone]
	}
	switch len(s.targets) {
	case 0:
		return nil
	case 1:
		return s.targets[0]
	}
	return picker.Pick(s.targets, s.shares, p.Random, p.Exclude)
}

// scopeOf is the targets that work which came to a zone may go to.
func (g *Group) scopeOf(zone int) *scope {
	e := g.eligible.Load()
	if uint(zone) < uint(len(e.zones)) {
		return &e.zones[zone]
	}
	return &e.all
}

// Refresh rebuilds the set of eligible targets from the health of each alone, so
// that all of them take the same. Calls must not overlap, or the one that saw
// older health could finish last: see Live, which also weighs targets.
func (g *Group) Refresh() { g.publish(nil, nil) }

// refresh rebuilds the set of eligible targets from the health of each and from
// what is remembered of it. The caller holds the mutex of Live.
func (g *Group) refresh(now time.Time) {
	g.moving = g.follow(now)
	var weights []float64
	var verdicts []Verdict
	for i, t := range g.Targets {
		if v := g.verdict(t); v != (Verdict{}) {
			if verdicts == nil {
				verdicts = make([]Verdict, len(g.Targets))
			}
			verdicts[i] = v
		}
		w := g.weight(t, now)
		if w != 1 && weights == nil {
			weights = make([]float64, len(g.Targets))
			for j := range i {
				weights[j] = 1
			}
		}
		if weights != nil {
			weights[i] = w
		}
	}
	g.publish(weights, verdicts)
}

// publish puts a new set of eligible targets in force; nil weights are all 1,
// nil verdicts all normal.
func (g *Group) publish(weights []float64, verdicts []Verdict) {
	e := &eligible{weights: weights, verdicts: verdicts}
	e.all, e.counts = g.scope(g.Targets)
	e.failOpen = e.all.failOpen
	e.byCookie = byCookie(g, e.all.targets)
	if zones := len(g.pickers) - 1; zones > 0 {
		e.zones = make([]scope, zones)
		for zone := range e.zones {
			e.zones[zone], _ = g.scope(inZone(g.Targets, zone))
			e.failOpen = e.failOpen || e.zones[zone].failOpen
			if s := &e.zones[zone]; len(s.targets) > 0 && !s.failOpen {
				e.drawn = append(e.drawn, zone)
			}
		}
	}
	if weights != nil {
		e.weigh(g)
	}
	g.eligible.Store(e)
}

// weigh gives the scopes their shares. Where a scope fails open all of its
// targets take the same: nothing is known of who could take more.
func (e *eligible) weigh(g *Group) {
	of := make(map[*Target]float64, len(g.Targets))
	for i, t := range g.Targets {
		of[t] = e.weights[i]
	}
	weigh := func(s *scope) {
		if s.failOpen || len(s.targets) < 2 {
			return
		}
		weights := make([]float64, len(s.targets))
		for i, t := range s.targets {
			weights[i] = of[t]
		}
		s.shares = newShares(weights)
	}
	weigh(&e.all)
	for zone := range e.zones {
		weigh(&e.zones[zone])
	}
}

// Weight returns the part of an equal share that target i takes, above 0 and at
// most 1: less than 1 in slow start, and where an anomaly is mitigated.
func (g *Group) Weight(i int) float64 {
	if w := g.eligible.Load().weights; w != nil {
		return w[i]
	}
	return 1
}

// FailOpen tells whether the group has targets but too few that are known to be
// well, so that work goes to all of them. With cross-zone load balancing off it
// tells whether that is so in any zone. A group that no load balancer uses gets
// no work.
func (g *Group) FailOpen() bool { return len(g.LoadBalancers) > 0 && g.eligible.Load().failOpen }

// Counts returns how many targets were in which state at the last Refresh.
func (g *Group) Counts() Counts { return g.eligible.Load().counts }

// Serving tells whether the group has as many targets known to be well as
// minimum_healthy_targets asks for, and one at least.
func (g *Group) Serving() bool {
	s := &g.eligible.Load().all
	return len(s.targets) > 0 && !s.failOpen
}

// scope returns which of the targets are eligible, in their order, and how many
// are in which state. Each state is read once, so that the two agree.
func (g *Group) scope(targets []*Target) (scope, Counts) {
	targets = registered(targets)
	well := make([]*Target, 0, len(targets))
	counts := Counts{Registered: len(targets)}
	for _, t := range targets {
		switch t.State.Health.State() {
		case health.StateHealthy:
			counts.Healthy++
			well = append(well, t)
		case health.StateUnavailable:
			well = append(well, t)
		case health.StateUnhealthy:
			counts.Unhealthy++
		}
	}
	if g.enough(len(well), len(targets)) {
		return scope{targets: well}, counts
	}
	return scope{targets: targets, failOpen: len(targets) > 0}, counts
}

// enough holds the number of targets that are well against ELB's
// unhealthy_state_routing.minimum_healthy_targets: below its count or its
// percentage, all targets are used (ELB guide, Target group health: "if both are
// specified, the action is taken when either is breached").
func (g *Group) enough(well, registered int) bool {
	a := &g.Config.Attributes
	return well >= max(a.MinimumHealthy, 1) && well*100 >= registered*a.MinimumHealthyPercent
}

// registered returns the targets without those that are not registered any more,
// unless that leaves none. Such targets are in older snapshots only. A request may
// hold one of these: it should not look for another target than its first among
// them, but if it began just before all were replaced, it is theirs to finish.
func registered(targets []*Target) []*Target {
	if !slices.ContainsFunc(targets, deregistered) {
		return targets
	}
	if left := slices.DeleteFunc(slices.Clone(targets), deregistered); len(left) > 0 {
		return left
	}
	return targets
}

func deregistered(t *Target) bool {
	state, reason := t.State.Health.Load()
	return state == health.StateDraining || reason == health.TargetNotRegistered
}

// inZone returns the targets of a zone, in their order. A target of no zone
// stands in all of them.
func inZone(targets []*Target, zone int) []*Target {
	var in []*Target
	for _, t := range targets {
		if t.Zone == zone || t.Zone == config.NoZone {
			in = append(in, t)
		}
	}
	return in
}

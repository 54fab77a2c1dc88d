package balancer

import (
	"time"

	"github.com/elbow-lb/elbow/health"
)

// minWeight is the least of its share that a target has in slow start: enough
// to warm up from its first second on.
const minWeight = 0.01

// standing is what the control side remembers of a target besides its health.
// It is guarded by the mutex of Live, and nothing on the data path reads it.
type standing struct {
	known   bool // registered in a snapshot that was in force
	founder bool // registered when no target took its whole share, and not checked yet
	well    bool // at the last refresh
	slow    bool // in slow start
	conduct conduct
}

// isWell tells whether a target in this state takes work.
func isWell(s health.State) bool { return s == health.StateHealthy || s == health.StateUnavailable }

// follow moves the standing of the group's targets along with their health, and
// tells whether one of them is in slow start. Its rules are ELB's (ALB guide,
// Slow start mode):
//
//   - A target enters slow start when it becomes well, if another one that is not
//     in slow start is well.
//   - Targets that are registered together in a group without such a target do
//     not enter: whichever passes its first check first must not have the others
//     begin slowly.
//   - Targets that are well when slow start is turned on do not enter.
//   - A target leaves when the time is over or when it is not well any more, and
//     then enters anew.
func (g *Group) follow(now time.Time) (slow bool) {
	duration := g.Config.Attributes.SlowStart
	whole := false // some target takes its whole share
	for _, t := range g.Targets {
		s := &t.State.standing
		whole = whole || s.well && !s.slow && isWell(t.State.Health.State())
	}
	for _, t := range g.Targets {
		s, state := &t.State.standing, t.State.Health.State()
		switch {
		case state == health.StateUnused, !s.known:
			s.founder = !whole
		case state == health.StateUnhealthy, state == health.StateDraining:
			s.founder = false
		}
		s.known = true
		switch {
		case !isWell(state):
			s.well, s.slow, s.conduct = false, false, conduct{}
		case s.well:
			s.slow = s.slow && g.ramp(t, now) < 1
		default:
			s.well, s.slow = true, duration > 0 && whole && !s.founder
			s.founder = false
		}
		slow = slow || s.slow
	}
	return slow
}

// ramp returns the part of its share that a target in slow start takes: it grows
// linearly with the time since the target became well,
//
//	max(1 %, elapsed / slow_start.duration_seconds)
//
// and is 1 once the time is over. now may lag behind by one Tick.
func (g *Group) ramp(t *Target, now time.Time) float64 {
	duration := g.Config.Attributes.SlowStart
	since := t.State.Health.Detail().Since
	if duration <= 0 || since.IsZero() {
		return 1
	}
	return min(1, max(minWeight, now.Sub(since).Seconds()/duration.Seconds()))
}

// weight returns the part of its share that a target takes: above 0, at most 1.
func (g *Group) weight(t *Target, now time.Time) float64 {
	s, w := &t.State.standing, 1.0
	if s.slow {
		w = g.ramp(t, now)
	}
	if g.mitigates() {
		w *= 1 - s.conduct.penalty
	}
	return w
}

package control

import (
	"cmp"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/health"
	"github.com/elbow-lb/elbow/internal/clock"
	"github.com/elbow-lb/elbow/internal/connpool"
)

// deregistration is a target on its way out: no snapshot that new work starts on
// has it, what it has begun may finish until the group's deregistration delay is
// over, and what is left then is cut (ALB guide, "Deregistration delay").
type deregistration struct {
	target *balancer.Target
	was    health.Status // before it
	ends   time.Time
	timer  clock.Timer
	again  bool // a configuration that is being prepared registers the target again
}

// deregister lets go of targets of prev that are not registered any more, each
// with the delay of its group in the new snapshot, or in prev where the group
// itself is gone. The caller holds change.
//
// A target that is unhealthy has no time to finish: ELB does not drain those.
func (c *Controller) deregister(targets []*balancer.Target, prev, next *balancer.Snapshot) {
	if len(targets) == 0 {
		return
	}
	now := c.opt.Clock.Now()
	var over []*balancer.Target
	for _, t := range targets {
		group := t.Group
		if g := next.Group(t.Key.Group); g != nil {
			group = g
		}
		delay := group.Config.Attributes.DeregistrationDelay
		was := t.State.Health.Detail()
		if delay == 0 || was.State == health.StateUnhealthy {
			over = append(over, t)
			continue
		}
		t.State.Health.Store(health.Status{
			State: health.StateDraining, Reason: health.TargetDeregistrationInProgress, Since: now,
		})
		t.State.Conns.Close()
		c.leaving[t.Key] = &deregistration{
			target: t, was: was, ends: now.Add(delay),
			timer: c.opt.Clock.AfterFunc(delay, c.wake),
		}
		c.log.Info("target deregistered; it may finish what it has begun",
			zap.Stringer("target", t.Key), zap.Duration("within", delay), zap.Int64("requests", t.State.Outstanding.Load()))
	}
	c.gone(over)
	// Requests that hold prev and look for another target should not find these.
	for _, g := range prev.Groups {
		g.Refresh()
	}
	c.publishLeaving()
}

// endDeregistrations cuts what targets have not finished whose time is over. The
// caller holds change.
func (c *Controller) endDeregistrations() {
	now := c.opt.Clock.Now()
	var over []*balancer.Target
	for key, d := range c.leaving {
		if !d.ends.After(now) {
			delete(c.leaving, key)
			over = append(over, d.target)
		}
	}
	if len(over) == 0 {
		return
	}
	c.gone(over)
	c.publishLeaving()
	if s := c.live.Load(); s != nil {
		c.retainMetrics(s)
	}
}

// gone ends the registration of targets for good.
func (c *Controller) gone(targets []*balancer.Target) {
	var pools []*connpool.Pool
	for _, t := range targets {
		t.State.Health.Store(health.Status{
			State: health.StateUnused, Reason: health.TargetNotRegistered, Since: c.opt.Clock.Now(),
		})
		pools = append(pools, t.State.Conns)
		c.log.Info("target is not registered any more",
			zap.Stringer("target", t.Key), zap.Int64("requests_cut", t.State.Outstanding.Load()))
	}
	connpool.Cut(c.engine, pools...)
}

// registerAgain returns the state of a target that is on its way out, as it was
// before, or nil if there is none. The caller holds change, and calls
// settleLeaving when it is known whether the target is registered again.
func (c *Controller) registerAgain(k balancer.Key) *balancer.TargetState {
	d := c.leaving[k]
	if d == nil {
		return nil
	}
	d.again = true
	state := d.target.State
	state.Health.Store(d.was)
	state.Conns.Open()
	return state
}

// settleLeaving ends the deregistration of targets that s registers again, and
// takes back what was prepared for those that it does not.
func (c *Controller) settleLeaving(s *balancer.Snapshot) {
	changed := false
	for key, d := range c.leaving {
		if !d.again {
			continue
		}
		d.again = false
		if registers(s, d.target) {
			d.timer.Stop()
			delete(c.leaving, key)
			changed = true
			c.log.Info("target registered again", zap.Stringer("target", key))
			continue
		}
		d.target.State.Conns.Close()
		d.target.State.Health.Store(health.Status{
			State: health.StateDraining, Reason: health.TargetDeregistrationInProgress, Since: c.opt.Clock.Now(),
		})
	}
	if changed {
		c.publishLeaving()
	}
}

// registers tells whether s has a target with the state of t.
func registers(s *balancer.Snapshot, t *balancer.Target) bool {
	if s == nil {
		return false
	}
	g := s.Group(t.Key.Group)
	return g != nil && slices.ContainsFunc(g.Targets, func(o *balancer.Target) bool { return o.State == t.State })
}

// stopLeaving forgets all deregistrations: the process ends.
func (c *Controller) stopLeaving() {
	for _, d := range c.leaving {
		d.timer.Stop()
	}
	clear(c.leaving)
	c.publishLeaving()
}

// publishLeaving shows the deregistrations to those who do not hold change.
func (c *Controller) publishLeaving() {
	shown := make([]leavingTarget, 0, len(c.leaving))
	for _, d := range c.leaving {
		shown = append(shown, leavingTarget{d.target, d.ends})
	}
	slices.SortFunc(shown, func(a, b leavingTarget) int {
		return cmp.Or(cmp.Compare(a.Key.Group, b.Key.Group), a.Addr.Compare(b.Addr))
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shown = shown
}

// leavingTarget is a target on its way out.
type leavingTarget struct {
	*balancer.Target
	ends time.Time
}

// leavingTargets returns the targets on their way out.
func (c *Controller) leavingTargets() []leavingTarget {
	c.mu.Lock()
	all := c.shown
	c.mu.Unlock()
	// One that is registered again is in the snapshot first, and leaves the list
	// a moment later.
	if slices.ContainsFunc(all, leavingTarget.back) {
		all = slices.DeleteFunc(slices.Clone(all), leavingTarget.back)
	}
	return all
}

func (t leavingTarget) back() bool { return t.State.Health.State() != health.StateDraining }

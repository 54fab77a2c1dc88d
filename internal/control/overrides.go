package control

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/config"
)

// TargetAction is what is done with a target at run time.
type TargetAction string

// The actions.
const (
	// RegisterTarget adds a target to its group, or takes back one of the others.
	RegisterTarget TargetAction = "register"
	// DeregisterTarget takes a target out of its group: it drains, and is gone.
	DeregisterTarget TargetAction = "deregister"
	// DrainTarget is the same, but the status goes on showing the target.
	DrainTarget TargetAction = "drain"
)

// TargetRef names a target of a group.
type TargetRef struct {
	TargetGroup string `json:"target_group"`
	ID          string `json:"id"`
	// Port is the target's. 0 means the group's where a target is added, and
	// any where there are targets with the id.
	Port uint16 `json:"port,omitempty"`
	// Zone is that of a target that is added; "" for none.
	Zone string `json:"zone,omitempty"`
}

// TargetOverride is what was done with a target at run time, and holds against
// the configuration until it is taken back. Its JSON form is part of the admin API
// and of the state file.
type TargetOverride struct {
	Action TargetAction `json:"action"`
	TargetRef
	Since time.Time `json:"since"`
}

// Overrides are all that is in force besides the configuration.
type Overrides struct {
	Targets []TargetOverride `json:"targets"`
	// File is where they are kept; "" means that a restart forgets them.
	File string `json:"file,omitempty"`
}

// OverrideError says why what was asked for cannot be done.
type OverrideError struct {
	// Unknown: there is no such target, or target group.
	Unknown bool
	Message string
}

func (e *OverrideError) Error() string { return e.Message }

// Overrides returns the overrides in force.
func (c *Controller) Overrides() Overrides {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Overrides{Targets: append([]TargetOverride{}, c.overrides...), File: c.statePath()}
}

// OverrideTarget registers, deregisters or drains a target until that is taken
// back, and returns the overrides then in force. The error is an *OverrideError,
// ErrEnding, or that of writing the state file; nothing has changed then.
func (c *Controller) OverrideTarget(ctx context.Context, action TargetAction, ref TargetRef) (Overrides, error) {
	c.change.Lock()
	defer c.change.Unlock()
	group, target, err := c.findTarget(ref)
	if err != nil {
		return Overrides{}, err
	}
	o := TargetOverride{Action: action, TargetRef: ref, Since: c.opt.Clock.Now().UTC()}
	next := slices.Clone(c.state.Targets)
	switch action {
	case RegisterTarget:
		next = register(next, o, group, target)
	case DeregisterTarget, DrainTarget:
		next, err = c.takeOut(next, o, group, target)
	default:
		err = &OverrideError{Message: fmt.Sprintf("unknown action %q", action)}
	}
	if err != nil {
		return Overrides{}, err
	}
	if err := c.override(ctx, next); err != nil {
		return Overrides{}, err
	}
	c.log.Info("target override", zap.String("action", string(action)),
		zap.String("target_group", ref.TargetGroup), zap.String("target", ref.ID), zap.Uint16("port", ref.Port))
	return c.Overrides(), nil
}

// ClearOverrides takes back the overrides of one target, or all of them where ref
// is the zero value, and returns those that are left. The errors are
// OverrideTarget's.
func (c *Controller) ClearOverrides(ctx context.Context, ref TargetRef) (Overrides, error) {
	c.change.Lock()
	defer c.change.Unlock()
	var next []TargetOverride
	if ref != (TargetRef{}) {
		next = slices.DeleteFunc(slices.Clone(c.state.Targets), func(o TargetOverride) bool { return o.is(ref) })
		if len(next) == len(c.state.Targets) {
			return Overrides{}, &OverrideError{Unknown: true, Message: fmt.Sprintf("there is no override of target %s in %s", ref.ID, ref.TargetGroup)}
		}
	}
	if c.ending() {
		return Overrides{}, ErrEnding
	}
	if err := c.override(ctx, next); err != nil {
		return Overrides{}, err
	}
	c.log.Info("target overrides cleared", zap.Int("left", len(next)))
	return c.Overrides(), nil
}

// findTarget reads what was asked for against the configuration in force.
func (c *Controller) findTarget(ref TargetRef) (*config.TargetGroup, config.Target, error) {
	s := c.live.Load()
	if c.ending() {
		return nil, config.Target{}, ErrEnding
	}
	if s == nil {
		return nil, config.Target{}, &OverrideError{Message: "there is no configuration in force yet"}
	}
	g := s.Group(ref.TargetGroup)
	if g == nil {
		return nil, config.Target{}, &OverrideError{Unknown: true, Message: fmt.Sprintf("there is no target group %q", ref.TargetGroup)}
	}
	t, err := config.ParseTarget(g.Config, ref.ID, ref.Port)
	if err != nil {
		return nil, config.Target{}, &OverrideError{Message: fmt.Sprintf("target id %q: %v", ref.ID, err)}
	}
	if ref.Zone != "" && zoneIndex(s.Model, ref.Zone) == config.NoZone {
		return nil, config.Target{}, &OverrideError{Unknown: true, Message: fmt.Sprintf("there is no zone %q", ref.Zone)}
	}
	return g.Config, t, nil
}

// register adds a target, or takes back what took it out.
func register(all []TargetOverride, o TargetOverride, group *config.TargetGroup, t config.Target) []TargetOverride {
	left := slices.DeleteFunc(slices.Clone(all), func(x TargetOverride) bool { return x.is(o.TargetRef) })
	if slices.ContainsFunc(group.Targets, t.Same) || o.Port == 0 && slices.ContainsFunc(group.Targets, t.SameID) {
		return left
	}
	o.Port = t.Port
	return append(left, o)
}

// takeOut deregisters or drains the targets that o names, each by its port.
func (c *Controller) takeOut(all []TargetOverride, o TargetOverride, group *config.TargetGroup, t config.Target) ([]TargetOverride, error) {
	names := func(x config.Target) bool { return x.SameID(t) && (o.Port == 0 || o.Port == x.Port) }
	var ports []uint16
	note := func(port uint16) {
		if !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	for _, x := range c.targets(c.live.Load().Model, group) {
		if names(x) {
			note(x.Port)
		}
	}
	for _, x := range all {
		if x.is(o.TargetRef) {
			note(x.Port)
		}
	}
	if len(ports) == 0 {
		return nil, &OverrideError{Unknown: true, Message: fmt.Sprintf("target group %s has no target %s", group.Name, refText(o.TargetRef))}
	}
	left := slices.DeleteFunc(slices.Clone(all), func(x TargetOverride) bool { return x.is(o.TargetRef) })
	for _, port := range ports {
		x := t
		x.Port = port
		// What the configuration does not have is out by itself, but still to
		// be shown if it drains.
		if o.Action == DrainTarget || slices.ContainsFunc(group.Targets, x.Same) {
			o.Port, o.Zone = port, ""
			left = append(left, o)
		}
	}
	return left, nil
}

func refText(ref TargetRef) string {
	if ref.Port == 0 {
		return ref.ID
	}
	return fmt.Sprintf("%s with port %d", ref.ID, ref.Port)
}

// is tells whether the override is of the target, or one of the targets, that ref
// names.
func (o *TargetOverride) is(ref TargetRef) bool {
	if o.TargetGroup != ref.TargetGroup || ref.Port != 0 && ref.Port != o.Port {
		return false
	}
	a, err1 := config.ParseTarget(&config.TargetGroup{}, o.ID, o.Port)
	b, err2 := config.ParseTarget(&config.TargetGroup{}, ref.ID, o.Port)
	return err1 == nil && err2 == nil && a.SameID(b)
}

// override makes the overrides those in force: kept first, so that nothing is in
// force that a restart would forget.
func (c *Controller) override(ctx context.Context, next []TargetOverride) error {
	state := c.state
	state.Targets = next
	if err := c.writeState(state); err != nil {
		return err
	}
	c.state = state
	c.publishOverrides()
	prev := c.live.Load()
	if prev == nil {
		return nil
	}
	rctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	err := c.resolver.Resolve(rctx, c.names(prev.Model))
	cancel()
	if err != nil {
		c.log.Warn("not every target name could be resolved; it is tried again in the background", zap.Error(err))
	}
	c.resolver.SetNames(c.names(prev.Model))
	c.recompile(prev)
	return nil
}

// recompile puts the same model into force again, if it has other targets now:
// names have other addresses, or there are other overrides.
func (c *Controller) recompile(prev *balancer.Snapshot) {
	next := balancer.Compile(prev.Model, prev, c.env(prev.Model, c.sticky))
	if !sameTargets(prev, next) {
		c.live.Swap(next)
		c.syncTargets(next)
		c.retire(prev, next)
	}
	c.settleLeaving(c.live.Load())
}

func (c *Controller) publishOverrides() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.overrides = slices.Clone(c.state.Targets)
}

// targets returns the targets of a group: those of the configuration, but for
// what overrides say. The caller holds change.
func (c *Controller) targets(m *config.Model, g *config.TargetGroup) []config.Target {
	var mine []TargetOverride
	for _, o := range c.state.Targets {
		if o.TargetGroup == g.Name {
			mine = append(mine, o)
		}
	}
	if len(mine) == 0 {
		return g.Targets
	}
	out := slices.Clone(g.Targets)
	for _, o := range mine {
		t, err := config.ParseTarget(g, o.ID, o.Port)
		if err != nil {
			continue // a state file of another version: what it means is not known here
		}
		switch {
		case o.Action != RegisterTarget:
			out = slices.DeleteFunc(out, func(x config.Target) bool { return x.Same(t) })
		case !slices.ContainsFunc(out, t.Same):
			t.Zone = zoneIndex(m, o.Zone)
			out = append(out, t)
		}
	}
	return out
}

// zoneIndex returns the index of a zone, or config.NoZone.
func zoneIndex(m *config.Model, name string) int {
	if i := slices.IndexFunc(m.Zones, func(z config.Zone) bool { return z.Name == name }); i >= 0 {
		return i
	}
	return config.NoZone
}

// drains tells whether a target on its way out is the one that o drains.
func (o *TargetOverride) drains(t leavingTarget) bool {
	return o.is(TargetRef{TargetGroup: t.Key.Group, ID: t.ID, Port: t.Addr.Port()})
}

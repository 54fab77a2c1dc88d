package balancer

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"

	"github.com/elbow-lb/elbow/balancer/rule"
	"github.com/elbow-lb/elbow/balancer/sticky"
	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/metrics"
)

// Env is what Compile needs from around it. The three metrics functions may be
// nil, and so may Resolve.
type Env struct {
	// NewTargetState makes the state of a target that the previous snapshot
	// does not register. To let a target that is still draining be registered
	// again with what is known of it, return the state it drains with.
	NewTargetState func(Key, *config.TargetGroup, *config.Target) *TargetState

	// ListenerMetrics, GroupMetrics and TargetMetrics return the counters to
	// use. They are called for every listener, group and target of every
	// snapshot, so they must return the same counters for the same labels.
	ListenerMetrics func(*config.Listener) *metrics.Listener
	GroupMetrics    func(*config.TargetGroup) *metrics.Group
	TargetMetrics   func(Key, *config.Target) *metrics.Target

	// Sticky seals the cookies of groups and actions with stickiness; nil leaves
	// them without.
	Sticky *sticky.Keys

	// Targets returns the targets to register in a group; nil means those of the
	// configuration.
	Targets func(*config.TargetGroup) []config.Target

	// Resolve returns the addresses last known for the DNS name of a target,
	// in any order. It must not wait for the network.
	Resolve func(name string) []netip.Addr
}

// Compile builds the snapshot that follows prev, which is nil the first time.
// It changes neither prev nor m; what it carries over it shares with prev: the
// TargetState of each Key, slots, and the turn of each group's rotation.
//
// The model must be one that config.Build returned. Two listeners with the same
// address are not in such a model; if they are, the first one gets it.
func Compile(m *config.Model, prev *Snapshot, env Env) *Snapshot {
	c := &compiler{
		model:  m,
		env:    env,
		next:   &Snapshot{Generation: 1, Model: m, groups: make(map[string]*Group)},
		slots:  make(map[netip.AddrPort]int),
		states: make(map[Key]*TargetState),
	}
	if prev != nil {
		c.prev = prev
		c.next.Generation = prev.Generation + 1
		c.next.Binds = make([]*Bind, len(prev.Binds))
		for _, b := range prev.Binds {
			if b != nil {
				c.slots[b.Addr] = b.Slot
			}
		}
		for t := range prev.Targets() {
			c.states[t.Key] = t.State
		}
	}
	for _, tg := range m.TargetGroups {
		c.group(tg)
	}
	for _, lb := range m.LoadBalancers {
		for _, l := range lb.Listeners {
			c.listener(lb, l)
		}
	}
	// Only now is it known which load balancers use a group.
	for _, g := range c.next.Groups {
		c.pickers(g)
		g.budget = c.newBudget(g)
		g.Refresh()
	}
	return c.next
}

// compiler is the state of one Compile.
type compiler struct {
	model  *config.Model
	env    Env
	prev   *Snapshot // nil the first time
	next   *Snapshot
	slots  map[netip.AddrPort]int // of prev
	states map[Key]*TargetState   // of prev
}

func (c *compiler) group(tg *config.TargetGroup) {
	g := &Group{Name: tg.Name, LogName: logName("targetgroup", tg.Name), Config: tg}
	g.limit, g.queue = int64(tg.Attributes.MaxOutstanding), new(queue)
	if c.prev != nil {
		if old := c.prev.Group(tg.Name); old != nil {
			g.queue = old.queue
		}
	}
	if c.env.GroupMetrics != nil {
		g.Metrics = c.env.GroupMetrics(tg)
	}
	seen := make(map[netip.AddrPort]bool)
	targets := tg.Targets
	if c.env.Targets != nil {
		targets = c.env.Targets(tg)
	}
	for i := range targets {
		t := &targets[i]
		for _, addr := range c.addresses(t) {
			addr := netip.AddrPortFrom(addr, t.Port)
			if seen[addr] {
				continue // named twice, or two names of one address: the first counts
			}
			seen[addr] = true
			key := Key{Group: tg.Name, Addr: addr}
			target := &Target{
				Key:   key,
				Addr:  addr,
				Name:  addr.String(),
				ID:    t.ID,
				Zone:  t.Zone,
				State: c.state(key, tg, t),
				Group: g,
			}
			if c.env.TargetMetrics != nil {
				target.Metrics = c.env.TargetMetrics(key, t)
			}
			c.stick(g, target)
			g.Targets = append(g.Targets, target)
		}
	}
	c.next.Groups = append(c.next.Groups, g)
	c.next.groups[tg.Name] = g
}

// addresses returns where a target is: nowhere while its name is not resolved.
// They are sorted, since DNS rotates its answers and the order of targets should
// not change with them.
func (c *compiler) addresses(t *config.Target) []netip.Addr {
	if t.Addr.IsValid() {
		return []netip.Addr{t.Addr.Unmap()}
	}
	if c.env.Resolve == nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range c.env.Resolve(t.Name) {
		if a.IsValid() {
			out = append(out, a.Unmap())
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

func (c *compiler) state(key Key, tg *config.TargetGroup, t *config.Target) *TargetState {
	if s := c.states[key]; s != nil {
		return s
	}
	return c.env.NewTargetState(key, tg, t)
}

// pickers gives a group its pickers, those of the previous snapshot when they
// are of the same kind. With cross-zone load balancing off there is one for each
// zone besides the group's own.
func (c *compiler) pickers(g *Group) {
	n := 1
	if !crossZone(g) {
		n += len(c.model.Zones)
	}
	if c.prev != nil {
		old := c.prev.Group(g.Name)
		if old != nil && old.Config.Attributes.Algorithm == g.Config.Attributes.Algorithm {
			g.pickers = slices.Clone(old.pickers[:min(n, len(old.pickers))])
		}
	}
	for len(g.pickers) < n {
		g.pickers = append(g.pickers, newPicker(g.Config.Attributes.Algorithm))
	}
}

// crossZone tells whether work may go to targets of other zones. A group that
// leaves it to its load balancers, as is the default, is kept to zones as soon
// as one of them asks for it.
func crossZone(g *Group) bool {
	switch g.Config.Attributes.CrossZone {
	case config.CrossZoneOn:
		return true
	case config.CrossZoneOff:
		return false
	}
	for _, lb := range g.LoadBalancers {
		if !lb.Attributes.CrossZone {
			return false
		}
	}
	return true
}

func (c *compiler) listener(lb *config.LoadBalancer, cfg *config.Listener) {
	l := &Listener{
		Config:       cfg,
		LoadBalancer: lb,
		Name:         fmt.Sprintf("%s/%s:%d", lb.Name, cfg.Protocol, cfg.Port),
		LogName:      logName("app", lb.Name),
		Rules:        c.rules(cfg),
		Actions:      make([]Action, len(cfg.Rules)),
		Default:      c.action(lb, &cfg.Default, 0),

		ResponseHeaders: compileResponseHeaders(cfg.Attributes.ResponseHeaders),
	}
	if c.env.ListenerMetrics != nil {
		l.Metrics = c.env.ListenerMetrics(cfg)
	}
	for i, r := range cfg.Rules {
		l.Actions[i] = c.action(lb, &r.Actions, r.Priority)
		if r.Actions.Type == config.Forward { // nothing else sends the request on
			l.Actions[i].Transform = rule.CompileTransforms(&r.Transforms)
		}
	}
	c.next.Listeners = append(c.next.Listeners, l)
	for _, addr := range c.model.Binds(cfg) {
		c.bind(l, netip.AddrPortFrom(addr, cfg.Port))
	}
}

// rules returns the compiled rules of the listener that is compiled next. When a
// name has other addresses the same model is compiled again, and its rules, which
// may be thousands, are those of before.
func (c *compiler) rules(cfg *config.Listener) *rule.Set {
	if c.prev != nil && c.prev.Model == c.model {
		return c.prev.Listeners[len(c.next.Listeners)].Rules
	}
	return rule.Compile(cfg.Rules)
}

// logName is what a resource is called in access logs: the end of the ARN that
// it would have with ELB. The id is made from the name, so that it is the same
// on every node and after every restart.
func logName(kind, name string) string {
	h := fnv.New64a()
	h.Write([]byte(kind + "/" + name))
	return fmt.Sprintf("%s/%s/%016x", kind, name, h.Sum64())
}

func (c *compiler) action(lb *config.LoadBalancer, a *config.Actions, priority int) Action {
	out := Action{Type: a.Type, Priority: priority}
	switch a.Type {
	case config.Forward:
		var groups []WeightedGroup
		for _, wg := range a.Forward.Groups {
			g := c.next.groups[wg.Group.Name]
			if !slices.Contains(g.LoadBalancers, lb) {
				g.LoadBalancers = append(g.LoadBalancers, lb)
			}
			groups = append(groups, WeightedGroup{Group: g, Weight: wg.Weight, failover: g.Config.Attributes.Failover})
		}
		out.Forward = newForward(groups)
		c.stickForward(out.Forward, a.Forward.Sticky)
	case config.Redirect:
		out.Redirect = rule.CompileRedirect(a.Redirect)
	case config.FixedResponse:
		out.Fixed = a.FixedResponse
	}
	return out
}

// zoneOf returns the zone that an address belongs to, or config.NoZone.
func (c *compiler) zoneOf(a netip.Addr) int {
	for i, z := range c.model.Zones {
		if slices.Contains(z.Addresses, a) {
			return i
		}
	}
	return config.NoZone
}

func (c *compiler) bind(l *Listener, addr netip.AddrPort) {
	slot, known := c.slots[addr]
	if !known {
		slot = len(c.next.Binds)
		c.next.Binds = append(c.next.Binds, nil)
		c.slots[addr] = slot
	}
	if c.next.Binds[slot] == nil {
		c.next.Binds[slot] = &Bind{Slot: slot, Addr: addr, Zone: c.zoneOf(addr.Addr()), Listener: l}
	}
}

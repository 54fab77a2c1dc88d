package control

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
	"github.com/elbow-lb/elbow/internal/metrics"
)

// Status is the state of the process at one moment, for people and machines.
// Its JSON form is part of the admin API.
type Status struct {
	Version       string               `json:"version"`
	Started       time.Time            `json:"started"`
	Ready         bool                 `json:"ready"`
	Draining      bool                 `json:"draining"`
	Connections   int                  `json:"connections"` // clients' and targets', idle ones included
	Config        ConfigStatus         `json:"config"`
	LoadBalancers []LoadBalancerStatus `json:"load_balancers"`
	TargetGroups  []TargetGroupStatus  `json:"target_groups"`
}

// ConfigStatus says which configuration is in force and how the last attempt
// to change it ended.
type ConfigStatus struct {
	Generation  uint64    `json:"generation"`
	Hash        string    `json:"hash"`
	Applied     time.Time `json:"applied"`
	LastAttempt time.Time `json:"last_attempt"`
	LastOK      bool      `json:"last_attempt_ok"`
	LastError   string    `json:"last_error,omitempty"`
}

// LoadBalancerStatus is one load balancer and where it listens.
type LoadBalancerStatus struct {
	Name      string           `json:"name"`
	Type      string           `json:"type"`
	Listeners []ListenerStatus `json:"listeners"`
}

// ListenerStatus is one listener.
type ListenerStatus struct {
	Name      string           `json:"name"`
	Protocol  string           `json:"protocol"`
	Port      uint16           `json:"port"`
	Addresses []netip.AddrPort `json:"addresses"`
	Rules     int              `json:"rules"`
}

// TargetGroupStatus is one target group with the health of its targets.
type TargetGroupStatus struct {
	Name      string         `json:"name"`
	Protocol  string         `json:"protocol"`
	Algorithm string         `json:"algorithm"`
	Healthy   int            `json:"healthy"`
	Unhealthy int            `json:"unhealthy"`
	Draining  int            `json:"draining"`
	FailOpen  bool           `json:"fail_open"`
	Anomalous int            `json:"anomalous"`
	Mitigated int            `json:"mitigated"`
	Targets   []TargetStatus `json:"targets"`
}

// TargetStatus is one target; State, Reason and Description are ELB's.
type TargetStatus struct {
	ID          string         `json:"id"`
	Address     netip.AddrPort `json:"address"`
	Zone        string         `json:"zone,omitempty"`
	State       string         `json:"state"`
	Reason      string         `json:"reason,omitempty"`
	Description string         `json:"description,omitempty"`
	// DrainsUntil is when what a draining target has not finished is cut.
	DrainsUntil *time.Time `json:"drains_until,omitempty"`
	// Weight is the part of an equal share of its group's work that it takes:
	// above 0, and 1 but in slow start or where an anomaly is
	// mitigated; 0 for one that is draining.
	Weight float64 `json:"weight"`
	// Anomaly is the result of ELB's anomaly detection: normal or anomalous.
	Anomaly     string `json:"anomaly"`
	Mitigated   bool   `json:"mitigation_in_effect"`
	Outstanding int64  `json:"outstanding_requests"`
	Idle        int    `json:"idle_connections"`
}

// Status returns the present state.
func (c *Controller) Status() Status {
	c.mu.Lock()
	st := Status{
		Version: c.opt.Version, Started: c.started, Draining: c.draining,
		Connections: c.engine.Conns(),
		Config: ConfigStatus{
			Applied: c.applied, LastAttempt: c.last.time, LastOK: c.last.err == nil && !c.last.time.IsZero(),
		},
		// Programs that read them want lists, also where there is nothing.
		LoadBalancers: []LoadBalancerStatus{}, TargetGroups: []TargetGroupStatus{},
	}
	if c.last.err != nil {
		st.Config.LastError = c.last.err.Error()
	}
	c.mu.Unlock()
	s := c.live.Load()
	if s == nil {
		return st
	}
	st.Ready = !st.Draining
	st.Config.Generation, st.Config.Hash = s.Generation, s.Model.Hash
	byLB := map[*config.LoadBalancer]int{}
	for i, lb := range s.Model.LoadBalancers {
		byLB[lb] = i
		st.LoadBalancers = append(st.LoadBalancers, LoadBalancerStatus{
			Name: lb.Name, Type: lb.Type.String(), Listeners: []ListenerStatus{},
		})
	}
	for _, l := range s.Listeners {
		ls := ListenerStatus{Name: l.Name, Protocol: l.Config.Protocol.String(), Port: l.Config.Port, Addresses: []netip.AddrPort{}, Rules: len(l.Actions)}
		for _, b := range s.Binds {
			if b != nil && b.Listener == l {
				ls.Addresses = append(ls.Addresses, b.Addr)
			}
		}
		lb := &st.LoadBalancers[byLB[l.LoadBalancer]]
		lb.Listeners = append(lb.Listeners, ls)
	}
	leaving, overrides := c.leavingTargets(), c.Overrides().Targets
	for _, g := range s.Groups {
		st.TargetGroups = append(st.TargetGroups, c.groupStatus(g, leaving, overrides))
	}
	return st
}

func (c *Controller) groupStatus(g *balancer.Group, leaving []leavingTarget, overrides []TargetOverride) TargetGroupStatus {
	n := g.Counts()
	gs := TargetGroupStatus{
		Name: g.Name, Protocol: g.Config.Protocol.String(), Algorithm: g.Config.Attributes.Algorithm.String(),
		Healthy: n.Healthy, Unhealthy: n.Unhealthy, FailOpen: g.FailOpen(), Targets: []TargetStatus{},
	}
	gs.Anomalous, gs.Mitigated = g.Anomalies()
	for i, t := range g.Targets {
		ts := targetStatus(t)
		ts.Weight = g.Weight(i)
		if v := g.Verdict(i); v != (balancer.Verdict{}) {
			ts.Mitigated = v.Mitigated
			if v.Anomalous {
				ts.Anomaly = "anomalous"
			}
		}
		gs.Targets = append(gs.Targets, ts)
	}
	for _, t := range leaving {
		if t.Key.Group != g.Name {
			continue
		}
		ts := targetStatus(t.Target)
		ts.DrainsUntil = &t.ends
		gs.Draining++
		gs.Targets = append(gs.Targets, ts)
	}
	for i := range overrides {
		o := &overrides[i]
		if o.Action != DrainTarget || o.TargetGroup != g.Name || slices.ContainsFunc(leaving, o.drains) {
			continue
		}
		// It has drained, or never took work since the start.
		t, err := config.ParseTarget(g.Config, o.ID, o.Port)
		if err != nil {
			continue
		}
		gs.Draining++
		gs.Targets = append(gs.Targets, TargetStatus{
			ID: o.ID, Address: netip.AddrPortFrom(t.Addr, t.Port),
			State:       health.StateDraining.String(),
			Reason:      health.TargetDeregistrationInProgress.String(),
			Description: health.TargetDeregistrationInProgress.Description(0),
		})
	}
	return gs
}

func targetStatus(t *balancer.Target) TargetStatus {
	d := t.State.Health.Detail()
	return TargetStatus{
		ID: t.ID, Address: t.Addr, Zone: t.Metrics.Zone,
		State: d.State.String(), Reason: d.Reason.String(), Description: d.Description(),
		Anomaly: "normal", Outstanding: t.State.Outstanding.Load(), Idle: t.State.Conns.Idle(),
	}
}

// Ready tells whether the process should be sent traffic: a configuration is
// in force, and it is not draining.
func (c *Controller) Ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live.Load() != nil && !c.draining && !c.closed
}

// Metrics returns the metrics of the data plane.
func (c *Controller) Metrics() *metrics.Registry { return c.metrics }

// Snapshot returns what requests are decided by now; nil before the first
// configuration.
func (c *Controller) Snapshot() *balancer.Snapshot { return c.live.Load() }

// scrape emits the gauges that are read rather than counted.
func (c *Controller) scrape(e metrics.Emitter) {
	c.mu.Lock()
	last, loaded, dropped := c.last, c.loaded, c.droppedLocked()
	c.mu.Unlock()
	if !last.time.IsZero() {
		e.Emit(metrics.ConfigReloadSuccessful, oneIf(last.err == nil))
	}
	if !loaded.IsZero() {
		e.Emit(metrics.ConfigReloadSuccessTime, float64(loaded.UnixMilli())/1e3)
	}
	if c.memory.limit > 0 {
		e.Emit(metrics.MemoryLimit, float64(c.memory.limit))
		e.Emit(metrics.MemoryUsed, float64(c.memory.used()))
	}
	e.Emit(metrics.MemoryPressure, float64(c.server.Pressure()))
	e.Emit(metrics.AcceptFailures, float64(c.set.AcceptFailures()))
	e.Emit(metrics.AccessLogDropped, float64(dropped))
	s := c.live.Load()
	if s == nil {
		return
	}
	e.Emit(metrics.ConfigGeneration, float64(s.Generation))
	e.Emit(metrics.ConfigInfo, 1, s.Model.Hash)
	for _, g := range s.Groups {
		n := g.Counts()
		e.Emit(metrics.HealthyHosts, float64(n.Healthy), g.Name)
		e.Emit(metrics.UnhealthyHosts, float64(n.Unhealthy), g.Name)
		e.Emit(metrics.QueuedRequests, float64(g.Queued()), g.Name)
		anomalous, mitigated := g.Anomalies()
		e.Emit(metrics.AnomalousHosts, float64(anomalous), g.Name)
		e.Emit(metrics.MitigatedHosts, float64(mitigated), g.Name)
		e.Emit(metrics.FailOpen, oneIf(g.FailOpen()), g.Name)
		for _, t := range g.Targets {
			scrapeTarget(e, t)
		}
	}
	draining := map[string]int{}
	for _, t := range c.leavingTargets() {
		draining[t.Key.Group]++
		scrapeTarget(e, t.Target)
	}
	for _, o := range c.Overrides().Targets {
		e.Emit(metrics.TargetOverride, 1, o.TargetGroup, fmt.Sprintf("%s:%d", o.ID, o.Port), string(o.Action))
	}
	for _, g := range s.Groups {
		e.Emit(metrics.DrainingHosts, float64(draining[g.Name]), g.Name)
	}
}

func scrapeTarget(e metrics.Emitter, t *balancer.Target) {
	m := t.Metrics
	state, _ := t.State.Health.Load()
	e.Emit(metrics.TargetHealth, 1, m.Group, m.Name, m.Zone, state.String())
	e.Emit(metrics.OutstandingRequests, float64(t.State.Outstanding.Load()), m.Group, m.Name, m.Zone)
	e.Emit(metrics.IdleConnections, float64(t.State.Conns.Idle()), m.Group, m.Name, m.Zone)
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

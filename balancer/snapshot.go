package balancer

import (
	"iter"
	"net/netip"

	"github.com/elbow-lb/elbow/balancer/rule"
	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/metrics"
)

// Snapshot is all that the data path needs of one configuration. It never
// changes once published, but for which targets its groups hold eligible.
type Snapshot struct {
	Generation uint64 // 1 for the first, one more with each Compile
	Model      *config.Model
	Listeners  []*Listener // in the order of the configuration
	Groups     []*Group    // in the order of the configuration

	// Binds is indexed by slot and has nil where a slot is not used any more.
	// A number, once given, is never given to another address, so a connection
	// that keeps its slot finds its own listener in any later snapshot or none.
	// The price is eight bytes for each address ever listened on.
	Binds []*Bind

	groups map[string]*Group
}

// Bind is one address to listen on.
type Bind struct {
	Slot     int // index into Snapshot.Binds; the same address keeps it from snapshot to snapshot
	Addr     netip.AddrPort
	Zone     int // the zone whose address it is, or config.NoZone
	Listener *Listener
}

// Listener is one listener of a load balancer.
type Listener struct {
	Config       *config.Listener
	LoadBalancer *config.LoadBalancer
	Name         string    // load balancer, protocol and port: "web/HTTP:80"
	LogName      string    // of the load balancer in access logs: "app/web/50dc6c495c0c9188"
	Rules        *rule.Set // what Match returns is for Action
	Actions      []Action  // of the numbered rules, as in Config.Rules
	Default      Action
	Metrics      *metrics.Listener

	ResponseHeaders ResponseHeaders
}

// Action is what a rule does. The field that Type names is set.
type Action struct {
	Type     config.ActionType
	Priority int // of the rule; 0 for the default rule, as the access log writes it
	Forward  *Forward
	Redirect *rule.Redirect
	Fixed    *config.FixedResponseAction

	Transform *rule.Transform // nil for the default rule and most others
}

// Action returns the action of rule i, or the default action when i is -1.
func (l *Listener) Action(i int) *Action {
	if i < 0 {
		return &l.Default
	}
	return &l.Actions[i]
}

// Bind returns what listens at the slot, or nil when nothing does: the slot was
// never given, or its address is not listened on any more.
func (s *Snapshot) Bind(slot int) *Bind {
	if uint(slot) >= uint(len(s.Binds)) {
		return nil
	}
	return s.Binds[slot]
}

// Group returns the target group of that name, or nil.
func (s *Snapshot) Group(name string) *Group { return s.groups[name] }

// Targets yields every registered target, group by group. Each has a Key and a
// State of its own.
func (s *Snapshot) Targets() iter.Seq[*Target] {
	return func(yield func(*Target) bool) {
		for _, g := range s.Groups {
			for _, t := range g.Targets {
				if !yield(t) {
					return
				}
			}
		}
	}
}

package application

import (
	"net/netip"

	"github.com/elbow-lb/elbow/balancer"
)

// enter counts a new connection to b's listener. Anything but OutcomeOK says
// which limit it would break; then nothing stays counted. The loops count beside
// each other and look at the sum afterwards, so that together they never let in
// one too many.
func (s *Server) enter(c *conn, b *balancer.Bind, loop int, remote netip.Addr) Outcome {
	attr := &b.Listener.Config.Attributes
	m := b.Listener.Metrics.Shard(loop)
	m.ActiveConnections.Inc()
	o := OutcomeOK
	if attr.MaxConnections > 0 && b.Listener.Metrics.Active() > int64(attr.MaxConnections) {
		o = OutcomeTooManyConnections
	} else if attr.MaxConnectionsPerSource > 0 && remote.IsValid() {
		all := s.countSources()
		c.source = all.key(b.Listener.Name, remote)
		if all.add(c.source) > int32(attr.MaxConnectionsPerSource) {
			o = OutcomeTooManyFromSource
		}
	}
	if o != OutcomeOK {
		c.bind = b
		c.leave(loop)
	}
	return o
}

// leave takes a connection that ends off what enter counted.
func (c *conn) leave(loop int) {
	c.bind.Listener.Metrics.Shard(loop).ActiveConnections.Dec()
	if c.source != 0 {
		c.server.sources.Load().remove(c.source)
		c.source = 0
	}
}

// countSources returns the counts by source, made on first use.
func (s *Server) countSources() *sources {
	if all := s.sources.Load(); all != nil {
		return all
	}
	s.sources.CompareAndSwap(nil, newSources())
	return s.sources.Load()
}

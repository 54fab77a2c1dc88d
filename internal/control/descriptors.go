package control

import (
	"fmt"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/netio"
)

// enoughDescriptors says whether the process may have the descriptors that m asks
// for: each connection of elbow.max_connections needs one, and another at its
// target. It is better not to start than to find out under load.
func enoughDescriptors(m *config.Model, e *netio.Engine) error {
	wanted := 0
	for _, lb := range m.LoadBalancers {
		for _, l := range lb.Listeners {
			wanted += l.Attributes.MaxConnections
		}
	}
	limit, connections := e.Descriptors()
	if 2*wanted <= connections {
		return nil
	}
	return fmt.Errorf("the listeners' elbow.max_connections are %d in all, which needs %d descriptors with those to targets, "+
		"but the process may have %d open files, of which it keeps %d for itself: raise the limit (LimitNOFILE= of the unit, ulimit -Hn) to at least %d, or lower elbow.max_connections",
		wanted, 2*wanted, limit, limit-connections, 2*wanted+limit-connections)
}

package balancer

import (
	"net/netip"
	"sync/atomic"
	"unsafe"

	"github.com/elbow-lb/elbow/balancer/sticky"
	"github.com/elbow-lb/elbow/health"
	"github.com/elbow-lb/elbow/internal/connpool"
	"github.com/elbow-lb/elbow/internal/metrics"
)

// Key identifies a registered target. It has the group in it because health
// belongs to a target in its group: two groups may check the same address in
// different ways, and must not push each other over their thresholds.
type Key struct {
	Group string
	Addr  netip.AddrPort
}

// String returns group and address: "web 10.0.0.1:8080".
func (k Key) String() string { return k.Group + " " + k.Addr.String() }

// Target is one target of a group in one Snapshot: an address, once names are
// resolved. It never changes.
type Target struct {
	Key   Key
	Addr  netip.AddrPort // where work goes
	Name  string         // Addr as text: "10.0.0.1:8080"
	ID    string         // as the configuration writes it: an address or a DNS name
	Zone  int            // index into Model.Zones, or config.NoZone
	State *TargetState
	Group *Group

	// Metrics are not the State's: their labels have the zone, which a
	// configuration may change.
	Metrics *metrics.Target

	// Cookie keeps clients with the target; nil without stickiness.
	Cookie    *sticky.Issuer
	cookieKey uint64 // what cookies call the target
}

// TargetState is what outlives snapshots about a target. All snapshots that
// register the Key share it, and work in flight may hold it longer.
type TargetState struct {
	// Outstanding is the number of requests sent to the target and not yet
	// answered in full. Who sends work adds one before and takes it off after.
	//
	// It is alone on its cache line: it is written twice for each request, by
	// every core, whereas the fields below are read for each request and never
	// written. BenchmarkTargetStateLayout, best of 20 on two cores: a read beside
	// it costs 6.4 ns, one on another line 3.4.
	Outstanding atomic.Int64
	_           [cacheLine - 8]byte

	// Immutable once the state is published, but for what they point to.
	Conns *connpool.Pool

	// Health is written on health edges, by whoever owns the Cell then.
	Health health.Cell

	standing standing // guarded by the mutex of Live

	// Whole lines only: the next object in memory begins with its Outstanding.
	_ [cacheLine - (16+unsafe.Sizeof(standing{}))%cacheLine]byte
}

// cacheLine is the unit in which processors share memory, in bytes.
const cacheLine = 64

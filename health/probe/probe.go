// Package probe checks targets over the network.
//
// A Prober makes one check of one target and says how it went. A Manager holds
// the schedule: it makes the first check of a target at once, later ones once
// per interval, feeds each outcome to the target's health.Tracker and
// publishes what follows from it in the target's health.Cell.
//
// A target is a stranger. Whatever it sends, a check ends by its timeout, reads
// a bounded number of bytes, and ends as a health.Result. Nothing here decides
// where work goes.
//
// What a check looks like on the wire is ELB's (guide, "Health checks for your
// target groups"): a new connection for each, closed after it; HTTP is a GET
// with User-Agent ELB-HealthChecker/2.0 and the target's own address as Host;
// redirects are not followed; the certificate of an HTTPS target is not
// verified. Sessions of TLS are not resumed.
package probe

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
)

// Prober makes one health check.
type Prober interface {
	// Probe checks the target once. It returns soon after ctx is done, with a
	// Result that says TargetTimeout where ctx's deadline passed. It holds no
	// connection when it returns, and may be called again at any time, but
	// not concurrently with itself.
	Probe(ctx context.Context) health.Result
}

// DialFunc opens a connection, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// New returns the prober that a health check asks for: HTTP, HTTPS, or, for
// any other protocol, TCP.
//
// addr is the address to connect to (its port is used whatever check.Port
// says). host is the Host header; "" means addr, as ELB does. dial may be nil.
// check.Path and host must be free of white space and control characters,
// which config sees to.
func New(addr netip.AddrPort, check config.HealthCheck, host string, dial DialFunc) Prober {
	if dial == nil {
		dial = dialer.DialContext
	}
	t := tcpProber{addr: addr.String(), dial: dial}
	switch check.Protocol {
	case config.HTTP, config.HTTPS:
		return newHTTPProber(t, check, host)
	default:
		return t
	}
}

// dialer opens the connections of checks. They are short, so keep-alive
// probes would only cost system calls.
var dialer = &net.Dialer{KeepAlive: -1}

// tcpProber passes when the target accepts a connection.
type tcpProber struct {
	addr string
	dial DialFunc
}

// Probe implements Prober.
func (p tcpProber) Probe(ctx context.Context) health.Result {
	start := time.Now()
	conn, err := p.dial(ctx, "tcp", p.addr)
	if err != nil {
		return failure(ctx, err, start)
	}
	conn.Close()
	return health.Result{OK: true, Latency: time.Since(start)}
}

package application

import (
	"encoding/binary"
	"math/bits"
	prng "math/rand/v2"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/internal/accesslog"
	"github.com/elbow-lb/elbow/internal/http1"
	"github.com/elbow-lb/elbow/internal/netio"
)

// Server serves the connections of every application listener of the process.
type Server struct {
	live   *balancer.Live
	limits *http1.Limits
	report func(value any, stack []byte)
	wall   func() int64 // see NewServer
	seed   [2]uint64    // of trace ids of connections; random

	epoch    atomic.Int64 // what wall said last
	anchored atomic.Int64 // engine time at which it did

	access   atomic.Pointer[accesslog.Log]
	draining atomic.Bool
	pressure atomic.Uint32 // a Pressure
	panics   atomic.Uint64
	sources  atomic.Pointer[sources] // nil until a limit asks for it
}

// Panics returns how many connections a panic has cost.
func (s *Server) Panics() uint64 { return s.panics.Load() }

// NewServer returns a server that decides by what live holds. report is told
// of panics: everything else about a request is in the access log and in
// metrics. wall is netio.Engine.Epoch.
func NewServer(wall func() int64, live *balancer.Live, report func(value any, stack []byte)) *Server {
	s := &Server{live: live, limits: &http1.DefaultLimits, report: report, wall: wall}
	s.epoch.Store(wall())
	for i := range s.seed {
		s.seed[i] = prng.Uint64()
	}
	return s
}

// anchorInterval is how long, in ns, the distance of engine time to the wall
// clock is used before it is looked at again: the wall clock may be set, and
// engine time stands still while the machine sleeps. Looking costs 40 ns.
const anchorInterval = int64(time.Second)

// epochAt returns the Unix time in ns of engine time 0; now is the engine time.
func (s *Server) epochAt(now int64) int64 {
	if last := s.anchored.Load(); now-last >= anchorInterval && s.anchored.CompareAndSwap(last, now) {
		s.epoch.Store(s.wall())
	}
	return s.epoch.Load()
}

// SetAccessLog makes requests from now on be logged to l; nil stops logging.
// It returns the log that was used before: a few requests may still append to
// it, and lose their line if it is closed.
func (s *Server) SetAccessLog(l *accesslog.Log) *accesslog.Log { return s.access.Swap(l) }

// Pressure says how short the process is of memory.
type Pressure uint32

// What is done about it.
const (
	PressureNone   Pressure = iota
	PressureClose           // every response closes its connection
	PressureRefuse          // and requests are answered 503
)

// SetPressure tells how short the process is of memory.
func (s *Server) SetPressure(p Pressure) { s.pressure.Store(uint32(p)) }

// Pressure returns what SetPressure was told last.
func (s *Server) Pressure() Pressure { return Pressure(s.pressure.Load()) }

// keepsNone tells whether every response closes its connection.
func (s *Server) keepsNone() bool { return s.draining.Load() || s.pressure.Load() != 0 }

// Drain makes every response from now on close its connection, and says so in
// a Connection header. It cannot be undone.
func (s *Server) Drain() { s.draining.Store(true) }

// Accept takes a connection that was accepted on the socket of slot. It runs
// on a loop's goroutine.
func (s *Server) Accept(slot int, l *netio.Loop, fd int, remote netip.AddrPort) {
	c := &conn{server: s, place: place(slot << 1)}
	b := s.live.Load().Bind(slot)
	if b == nil {
		// Accepted while the listener was being removed. The client sees a
		// reset, as it would have from a closed port.
		netio.CloseDescriptor(fd)
		return
	}
	m := b.Listener.Metrics.Shard(l.Index)
	if o := s.enter(c, b, l.Index, remote.Addr()); o != OutcomeOK {
		m.RejectedConnections.Inc()
		m.Refuse(uint8(o))
		netio.ResetDescriptor(fd)
		return
	}
	c.bind = b
	c.born = l.Now()
	m.Connections.Inc()
	idle := b.Listener.LoadBalancer.Attributes.IdleTimeout
	if l.RegisterAccepted(&c.Conn, fd, remote, c, idle) != netio.OK {
		c.leave(l.Index)
		m.RejectedConnections.Inc()
	}
}

// OnPanic is the engine's hook: a panic costs the connection that it happened
// on. Nothing of the worker's scratch space is used again.
func (s *Server) OnPanic(w *netio.Worker, t netio.Task, value any) {
	s.panics.Add(1)
	s.report(value, debug.Stack())
	if x, ok := w.Local.(*exchange); ok {
		x.abandon()
	}
	if c, ok := t.(*conn); ok && !c.Closed() {
		c.end()
	}
}

// conn is a client connection.
type conn struct {
	netio.Conn
	server *Server
	bind   *balancer.Bind // of the last request: what holds should the listener be removed
	born   int64          // engine time
	source uint32         // under which it is counted; 0 if it is not
	place  place

	// What Local said; zero until it is asked: see localAddr.
	local [16]byte
}

// place is the slot of a connection's socket and, in the lowest bit, whether an
// empty line came where a request should begin. One bit more in conn would make it
// a size class larger.
type place uint32

const blankLine place = 1

func (p place) slot() int { return int(p >> 1) }

// localAddr is the address of ours that the client connected to. On a socket that
// takes all addresses only the kernel knows; it is asked once.
func (c *conn) localAddr() netip.Addr {
	if a := c.bind.Addr.Addr(); !a.IsUnspecified() {
		return a
	}
	if c.local == [16]byte{} {
		c.local = c.Local().Addr().As16()
	}
	return netip.AddrFrom16(c.local).Unmap()
}

// appendTraceID appends what ELB calls the trace id of a connection: opaque, the
// same for all its requests, and another for each connection of the process. It
// is worked out from what tells connections apart rather than kept: a parked one
// is kept small.
func (c *conn) appendTraceID(b []byte) []byte {
	seed, remote := &c.server.seed, c.Remote()
	addr := remote.Addr().As16()
	who := binary.BigEndian.Uint64(addr[8:]) ^ bits.RotateLeft64(binary.BigEndian.Uint64(addr[:8]), 32)
	socket := uint64(c.FD())<<16 | uint64(remote.Port())
	b = append(b, "TID_"...)
	b = appendHex(b, mix(seed[0]^uint64(c.born)), 16)
	return appendHex(b, mix(mix(seed[1]^who)^socket), 16)
}

// mix makes each bit of its result depend on every bit of x, and no two results
// the same (the end of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Ready is called by the loop: a parked connection has something to read.
func (c *conn) Ready(*netio.Conn) {
	if c.Claim() {
		c.Loop().Go(c)
	}
}

// Expired is called by the timer wheel: a parked connection was idle too long;
// or for a drain, and then a request that has just arrived is still served.
func (c *conn) Expired(*netio.Conn) {
	if !c.Claim() {
		return
	}
	if c.Peek() == netio.OK {
		c.Loop().Go(c)
		return
	}
	c.end()
}

// end closes the connection.
func (c *conn) end() {
	c.leave(c.Loop().Index)
	c.Close()
}

// cut resets the connection: the client must not take its end for the end of
// the response.
func (c *conn) cut() {
	c.leave(c.Loop().Index)
	c.CloseReset()
}

// Serve handles what arrived, request by request, until nothing is left to
// read; then it parks the connection.
func (c *conn) Serve(w *netio.Worker) {
	x := exchangeOf(w)
	x.attach(c)
	for {
		switch x.readHead() {
		case headComplete:
			if x.run() {
				continue
			}
			if x.outcome != OutcomeOK && x.untilClose {
				x.detach()
				c.cut()
				return
			}
			x.linger()
			x.detach()
			c.end()
			return
		case headNone:
			x.detach()
			if c.Park(w.Now, c.bind.Listener.LoadBalancer.Attributes.IdleTimeout) {
				return
			}
			x.attach(c)
		case headGone:
			x.detach()
			c.end()
			return
		}
	}
}

// reload looks up the listener's present configuration. A listener that was
// removed keeps its last one for the connections that it still has; they end
// with their next response.
func (c *conn) reload() (removed bool) {
	b := c.server.live.Load().Bind(c.place.slot())
	if b == nil {
		return true
	}
	if b != c.bind {
		// The connection gauge follows the connection, should its counters be
		// others now.
		if b.Listener.Metrics != c.bind.Listener.Metrics {
			i := c.Loop().Index
			c.bind.Listener.Metrics.Shard(i).ActiveConnections.Dec()
			b.Listener.Metrics.Shard(i).ActiveConnections.Inc()
		}
		c.bind = b
	}
	return false
}

// lifetimeOver tells whether the connection has lived for
// client_keep_alive.seconds.
func (c *conn) lifetimeOver(now int64) bool {
	return now-c.born > int64(c.bind.Listener.LoadBalancer.Attributes.ClientKeepAlive)
}

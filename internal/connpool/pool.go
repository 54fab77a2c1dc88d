// Package connpool keeps the idle connections to one target.
//
// Connections are kept per event loop, last in, first out: the warmest is
// reused, and the others age until they are closed. An idle connection is
// parked in its loop, so it costs neither a goroutine nor a buffer, and the
// loop notices at once when the target closes it or sends something nobody
// asked for. Either way it is thrown out before a request can meet it: this is
// what keeps the keep-alive race, which users of other load balancers see as
// sporadic 502s, from happening. What is left of the race (the target closes
// while our request travels) is the caller's to retry.
package connpool

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elbow-lb/elbow/internal/netio"
)

// Options bounds a Pool.
type Options struct {
	// MaxIdle is how many idle connections are kept: each loop keeps its share,
	// rounded down but at least one. The one of the loop that was idle longest
	// makes room. 0 keeps none.
	MaxIdle int
	// IdleTimeout is how long an idle connection is kept. It should be below
	// the target's own keep-alive timeout.
	IdleTimeout time.Duration
}

// Pool is the connections to one target that wait for a request. It is safe
// for concurrent use.
type Pool struct {
	addr   netip.AddrPort
	shards []shard

	maxPerShard atomic.Int64
	idleTimeout atomic.Int64
	closed      atomic.Bool
	cut         atomic.Bool // set after closed, and for good
}

// shard is the idle connections of one loop, as a list from the most to the
// least recently used.
type shard struct {
	mu          sync.Mutex // leaf lock
	newest, old *Conn
	count       atomic.Int64 // written under mu
	_           [64]byte
}

// Conn is a connection to a target. Whoever got it from Get or Dial owns it,
// and ends by giving it to Put or Close.
type Conn struct {
	netio.Conn
	pool *Pool
	// Uses counts the requests sent before the current one: 0 means fresh.
	Uses int
	// Large says that the last response had a body worth splicing; the next one
	// probably has too. Written and read by the owner.
	Large bool
	// Bodiless says that the last response had no body though its head did not
	// say so: a response to HEAD, 204, 304. Written and read by the owner.
	Bodiless bool

	// Guarded by the shard's mu, while idle.
	newer, older *Conn
	listed       bool
}

// New returns an empty pool for the target at addr.
func New(addr netip.AddrPort, loops int, o Options) *Pool {
	p := &Pool{addr: addr, shards: make([]shard, loops)}
	p.Configure(o)
	return p
}

// Configure changes the bounds. Connections that are idle already keep the
// timeout that they were parked with.
func (p *Pool) Configure(o Options) {
	n := 0
	if o.MaxIdle > 0 {
		n = max(1, o.MaxIdle/len(p.shards))
	}
	p.maxPerShard.Store(int64(n))
	p.idleTimeout.Store(int64(o.IdleTimeout))
}

// Addr returns the target's address.
func (p *Pool) Addr() netip.AddrPort { return p.addr }

// Idle returns how many connections are idle.
func (p *Pool) Idle() int {
	n := 0
	for i := range p.shards {
		n += int(p.shards[i].count.Load())
	}
	return n
}

// Get takes the most recently used idle connection, of w's loop first, then of
// the others; nil when there is none. The caller owns it.
func (p *Pool) Get(w *netio.Worker) *Conn {
	own := w.Loop().Index
	for i := range p.shards {
		s := &p.shards[(own+i)%len(p.shards)]
		if s.count.Load() == 0 {
			continue
		}
		if c := s.take(); c != nil {
			return c
		}
	}
	return nil
}

func (s *shard) take() *Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := s.newest; c != nil; c = s.newest {
		s.removeLocked(c)
		// A connection that just died or expired is claimed by its loop.
		if c.Claim() {
			// Its loop may have been told, and lost the race to evict it.
			if c.Hangup() || c.Pending() {
				c.Close()
				continue
			}
			return c
		}
	}
	return nil
}

// Dial opens a connection; on anything but OK there is none. A closed pool dials,
// too: what has begun may need it. One that was cut gives netio.Reset.
func (p *Pool) Dial(w *netio.Worker, timeout time.Duration) (*Conn, netio.Status) {
	c := &Conn{pool: p}
	if s := w.Dial(&c.Conn, p.addr, c, timeout); s != netio.OK {
		return nil, s
	}
	if p.cut.Load() { // Cut may have looked before there was the connection
		c.Close()
		return nil, netio.Reset
	}
	return c, netio.OK
}

// Put keeps c for another request, or closes it: if the pool is closed, or if
// the target already closed it or sent more than it was asked for. The caller
// must have read the last response to its end.
func (p *Pool) Put(w *netio.Worker, c *Conn) {
	if p.closed.Load() || p.maxPerShard.Load() == 0 || c.Hangup() || c.Pending() {
		c.Close()
		return
	}
	c.Uses++
	s := &p.shards[c.Loop().Index]
	s.mu.Lock()
	if !c.Park(w.Now, time.Duration(p.idleTimeout.Load())) {
		s.mu.Unlock()
		c.Close() // something came: see above
		return
	}
	s.addLocked(c)
	var evicted *Conn
	if s.count.Load() > p.maxPerShard.Load() {
		evicted = s.old
		s.removeLocked(evicted)
	}
	s.mu.Unlock()
	if evicted != nil && evicted.Claim() {
		evicted.Close()
	}
	if p.closed.Load() {
		p.closeIdle() // it may have been closed while c was being listed
	}
}

// Close closes the idle connections and makes Put close what comes back. Those in
// use are left to their owners.
func (p *Pool) Close() {
	p.closed.Store(true)
	p.closeIdle()
}

// Closed tells whether the pool was closed, or cut, and not opened again.
func (p *Pool) Closed() bool { return p.closed.Load() }

// Open undoes Close. It must not be called after Cut.
func (p *Pool) Open() { p.closed.Store(false) }

// Cut closes the pools for good and cuts their connections that are in use, of
// which there will be no more: see netio.Engine.Cut. All pools are of e.
func Cut(e *netio.Engine, pools ...*Pool) {
	if len(pools) == 0 {
		return
	}
	for _, p := range pools {
		p.closed.Store(true)
		p.cut.Store(true) // before the look at connections: see Dial
		p.closeIdle()
	}
	e.Cut(func(parker netio.Parker) bool {
		c, ok := parker.(*Conn)
		return ok && c.pool.cut.Load()
	})
}

// WasCut tells whether Cut was called on the pool.
func (p *Pool) WasCut() bool { return p.cut.Load() }

func (p *Pool) closeIdle() {
	for i := range p.shards {
		for {
			c := p.shards[i].take()
			if c == nil {
				break
			}
			c.Close()
		}
	}
}

// Ready is called by the loop: the target closed an idle connection, reset it,
// or sent something unasked. The connection is of no use any more.
func (c *Conn) Ready(*netio.Conn) {
	// The event may be older than the parking; then there is nothing to read.
	if c.Peek() == netio.Again && !c.Hangup() {
		return
	}
	c.evict()
}

// Expired is called by the timer wheel.
func (c *Conn) Expired(*netio.Conn) { c.evict() }

func (c *Conn) evict() {
	if !c.Claim() {
		return
	}
	s := &c.pool.shards[c.Loop().Index]
	s.mu.Lock()
	s.removeLocked(c)
	s.mu.Unlock()
	c.Close()
}

func (s *shard) addLocked(c *Conn) {
	c.listed = true
	c.newer, c.older = nil, s.newest
	if s.newest != nil {
		s.newest.newer = c
	} else {
		s.old = c
	}
	s.newest = c
	s.count.Add(1)
}

// removeLocked unlinks c, if it is linked.
func (s *shard) removeLocked(c *Conn) {
	if !c.listed {
		return
	}
	c.listed = false
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		s.newest = c.older
	}
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		s.old = c.newer
	}
	c.newer, c.older = nil, nil
	s.count.Add(-1)
}

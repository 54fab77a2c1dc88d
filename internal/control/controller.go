// Package control knows the order of things: how a configuration takes effect,
// how it is refused, and how the process ends. It is the only writer of
// balancer.Live, of the listening sockets, of the probes and of the access log.
package control

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
	"github.com/elbow-lb/elbow/health/probe"
	"github.com/elbow-lb/elbow/internal/accesslog"
	"github.com/elbow-lb/elbow/internal/clock"
	"github.com/elbow-lb/elbow/internal/connpool"
	"github.com/elbow-lb/elbow/internal/metrics"
	"github.com/elbow-lb/elbow/internal/netio"
	"github.com/elbow-lb/elbow/internal/resolve"
	"github.com/elbow-lb/elbow/listener"
	"github.com/elbow-lb/elbow/listener/application"
)

// Options are what a Controller works with. All fields but Load may be zero.
type Options struct {
	// Load reads the configuration: a model, or everything that is wrong.
	Load func() (*config.Model, config.Diagnostics)
	// Log is the daemon's log; nil means silence.
	Log *zap.Logger
	// Clock drives probes, deadlines and resolution; nil means the real one.
	Clock clock.Clock
	// Loops is the number of event loops; 0 means GOMAXPROCS.
	Loops int
	// StateDirectory is where the process keeps what a restart must not lose;
	// empty when it has no such place.
	StateDirectory string
	// MemoryLimit is how many bytes the process may use; near it the server
	// stops taking on work. 0 is no limit. MemoryUsed says how many it uses; nil
	// means what the Go runtime has.
	MemoryLimit int64
	MemoryUsed  func() int64
	// Version and Commit are reported in metrics and status.
	Version, Commit string
	// Resolver configures DNS; its Clock, Log and OnChange are set here.
	Resolver resolve.Options
}

// Controller owns the running data plane.
type Controller struct {
	opt      Options
	log      *zap.Logger
	engine   *netio.Engine
	live     *balancer.Live
	metrics  *metrics.Registry
	server   *application.Server
	set      *listener.Set
	probes   *probe.Manager[balancer.Key]
	resolver *resolve.Resolver
	ticker   *ticker
	started  time.Time
	woken    chan struct{}  // wakes follow
	closing  chan struct{}  // ends follow, and the wait of retireAccess
	followed chan struct{}  // closed when it ended
	watched  chan struct{}  // closed when watchMemory ended
	memory   *memoryWatch   // watchMemory's, but for limit and used
	retired  sync.WaitGroup // goroutines of retireAccess

	// Serialises configuration changes. It is held while names are resolved
	// and sockets opened; taken before mu.
	change   sync.Mutex
	accessAs config.AccessLog // guarded by change
	sticky   stickinessKeys   // guarded by change

	leaving map[balancer.Key]*deregistration // guarded by change
	state   state                            // guarded by change

	mu        sync.Mutex       // guards what follows; never held for long: /readyz waits for it
	access    *accesslog.Log   // written with change held as well
	retiring  []*accesslog.Log // were replaced, and are about to be closed
	dropped   uint64           // lines, by the logs closed so far
	last      attempt          // the last one to load a configuration
	loaded    time.Time        // when the last one that succeeded was
	applied   time.Time        // when the configuration in force took effect
	shown     []leavingTarget  // leaving, for others to read
	overrides []TargetOverride // of state, for others to read
	closed    bool
	draining  bool
}

// attempt says how an attempt to load a configuration ended.
type attempt struct {
	time time.Time
	err  error // nil if it succeeded
}

// New builds a data plane without a configuration. Close ends it.
func New(opt Options) (*Controller, error) {
	c := &Controller{
		opt: opt, log: opt.Log, live: &balancer.Live{},
		woken: make(chan struct{}, 1), closing: make(chan struct{}), followed: make(chan struct{}), watched: make(chan struct{}),
		leaving: map[balancer.Key]*deregistration{},
	}
	if c.log == nil {
		c.log = zap.NewNop()
	}
	if opt.Clock == nil {
		c.opt.Clock = clock.Real
	}
	c.started = c.opt.Clock.Now()
	var err error
	if c.state, err = c.readState(); err != nil {
		return nil, err
	}
	c.publishOverrides()
	c.engine, err = netio.New(netio.Options{
		Loops: opt.Loops,
		Clock: c.opt.Clock,
		OnPanic: func(w *netio.Worker, t netio.Task, value any) {
			c.server.OnPanic(w, t, value)
		},
	})
	if err != nil {
		return nil, err
	}
	c.metrics = metrics.New(c.engine.Loops(), metrics.Options{
		Version: opt.Version, Commit: opt.Commit, Reasons: application.Reasons(),
	})
	c.metrics.OnScrape(c.scrape)
	c.server = application.NewServer(c.engine.Epoch, c.live, func(value any, stack []byte) {
		c.log.Error("panic while serving a connection, which was closed; please report it",
			zap.Any("panic", value), zap.ByteString("stack", stack))
	})
	c.set = listener.NewSet(c.engine, c.server.Accept)
	c.probes = probe.NewManager(probe.Options[balancer.Key]{
		Clock:    c.opt.Clock,
		Log:      c.log,
		OnChange: c.live.HealthChanged,
	})
	ropt := opt.Resolver
	ropt.Clock = c.opt.Clock
	ropt.OnChange = c.onResolved
	ropt.OnError = func(name string, err error) {
		c.log.Warn("target name not resolved, or only by half; the last addresses of what failed stay", zap.String("name", name), zap.Error(err))
	}
	c.resolver = resolve.New(ropt)
	c.ticker = startTicker(c.live, c.opt.Clock)
	c.memory = newMemoryWatch(&c.opt, c.server.SetPressure, c.log)
	go c.follow()
	go c.watchMemory(c.memory)
	return c, nil
}

// Reload reads the configuration and makes it take effect, or changes nothing
// and says why: the error is config.Diagnostics if the file is wrong, a
// *BindError, ErrEnding, or that of opening the access log.
func (c *Controller) Reload(ctx context.Context) error {
	c.change.Lock()
	defer c.change.Unlock()
	if c.ending() {
		return ErrEnding
	}
	m, diags := c.opt.Load()
	stays := "; the old one stays in force"
	if c.live.Load() == nil {
		stays = "" // the first one, at the start
	}
	a := attempt{time: c.opt.Clock.Now()}
	unchanged := false
	switch {
	case m == nil:
		a.err = diags
		for _, d := range diags {
			c.log.Error(d.Message, zap.Stringer("at", d.Position), zap.String("path", d.Path))
		}
		c.log.Error("configuration refused"+stays, zap.Int("errors", len(diags)))
	case c.live.Load() != nil && c.live.Load().Model.Hash == m.Hash && !c.keysChanged(m):
		unchanged = true
		c.log.Info("configuration unchanged", zap.String("hash", m.Hash))
	default:
		if a.err = c.applyLocked(ctx, m); a.err != nil {
			c.log.Error("configuration cannot take effect"+stays, zap.Error(a.err))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = a
	if a.err == nil {
		c.loaded = a.time
		if !unchanged {
			c.applied = a.time
		}
	}
	return a.err
}

// ErrEnding is what Reload returns once the process is about to end.
var ErrEnding = errors.New("the process is shutting down")

// BindError is what Reload returns when the addresses of a configuration cannot
// be listened on.
type BindError struct{ Err error } // one for each address, joined

func (e *BindError) Error() string { return e.Err.Error() }
func (e *BindError) Unwrap() error { return e.Err }

// ending tells whether a configuration must not be changed any more.
func (c *Controller) ending() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed || c.draining
}

// applyLocked is the walk of a reload: prepare what may fail, compile, swap,
// commit. Until the swap a failure leaves everything as it was.
func (c *Controller) applyLocked(ctx context.Context, m *config.Model) error {
	prev := c.live.Load()

	// Prepare: names, keys, the access log, sockets.
	rctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	err := c.resolver.Resolve(rctx, c.names(m))
	cancel()
	if err != nil {
		c.log.Warn("not every target name could be resolved; it is tried again in the background", zap.Error(err))
	}
	keys, err := c.loadKeys(m)
	if err != nil {
		c.forget(prev)
		return err
	}
	if err := enoughDescriptors(m, c.engine); err != nil {
		c.forget(prev)
		return err
	}
	access, err := c.openAccess(m.AccessLog)
	if err != nil {
		c.forget(prev)
		return err
	}
	next := balancer.Compile(m, prev, c.env(m, keys))
	change, err := c.set.Prepare(next.Binds)
	if err != nil {
		if access != nil && access != c.access {
			access.Close(ctx)
		}
		c.forget(prev)
		return &BindError{err}
	}

	// The swap: from here on, new work starts on the new snapshot.
	c.live.Swap(next)

	// Commit: nothing below can fail in a way that undoes the swap.
	c.useAccess(access)
	c.accessAs = m.AccessLog
	c.sticky = keys
	c.resolver.SetNames(c.names(m))
	if err := change.Commit(); err != nil {
		c.log.Error("a listening socket does not accept", zap.Error(err))
	}
	c.syncTargets(next)
	c.retire(prev, next)
	for _, w := range m.Warnings {
		c.log.Warn(w.Message, zap.Stringer("at", w.Position), zap.String("path", w.Path))
	}
	c.log.Info("configuration applied",
		zap.Uint64("generation", next.Generation), zap.String("hash", m.Hash),
		zap.Int("listeners", len(next.Listeners)), zap.Int("target_groups", len(next.Groups)))
	return nil
}

// forget lets go of what a configuration that does not take effect has brought
// into the resolver and the metrics, besides what prev has there.
func (c *Controller) forget(prev *balancer.Snapshot) {
	c.settleLeaving(prev)
	if prev == nil {
		c.resolver.SetNames(nil)
		c.metrics.Retain(func(any) bool { return false })
		return
	}
	c.resolver.SetNames(c.names(prev.Model))
	c.retainMetrics(prev)
}

// env is what compiling needs from around it.
func (c *Controller) env(m *config.Model, keys stickinessKeys) balancer.Env {
	return balancer.Env{
		Sticky: keys.keys,
		NewTargetState: func(k balancer.Key, _ *config.TargetGroup, _ *config.Target) *balancer.TargetState {
			if s := c.registerAgain(k); s != nil {
				return s
			}
			return &balancer.TargetState{
				Conns: connpool.New(k.Addr, c.engine.Loops(), connpool.Options{MaxIdle: 1024, IdleTimeout: time.Minute}),
			}
		},
		ListenerMetrics: func(l *config.Listener) *metrics.Listener {
			return c.metrics.Listener(l.LoadBalancer.Name, listenerLabel(l))
		},
		GroupMetrics: func(g *config.TargetGroup) *metrics.Group { return c.metrics.Group(g.Name) },
		TargetMetrics: func(k balancer.Key, t *config.Target) *metrics.Target {
			zone := ""
			if t.Zone != config.NoZone {
				zone = m.Zones[t.Zone].Name
			}
			return c.metrics.Target(k.Group, k.Addr.String(), zone)
		},
		Targets: func(g *config.TargetGroup) []config.Target { return c.targets(m, g) },
		Resolve: func(name string) []netip.Addr {
			addrs, _ := c.resolver.Lookup(name)
			return addrs
		},
	}
}

func listenerLabel(l *config.Listener) string {
	return fmt.Sprintf("%s:%d", l.Protocol, l.Port)
}

// names lists the DNS names of a model's targets, and of those that overrides add.
func (c *Controller) names(m *config.Model) []string {
	var out []string
	seen := map[string]bool{}
	for _, g := range m.TargetGroups {
		for _, t := range c.targets(m, g) {
			if n := t.Name; n != "" && !seen[n] {
				seen[n] = true
				out = append(out, n)
			}
		}
	}
	return out
}

// syncTargets gives probes and pools what the new snapshot asks of them.
func (c *Controller) syncTargets(s *balancer.Snapshot) {
	var specs []probe.Spec[balancer.Key]
	var unused []*balancer.Target
	for t := range s.Targets() {
		g := t.Group
		if len(g.LoadBalancers) == 0 {
			unused = append(unused, t) // ELB does not check what no load balancer uses
			continue
		}
		a := &g.LoadBalancers[0].Attributes
		t.State.Conns.Configure(connpool.Options{MaxIdle: a.TargetMaxIdle, IdleTimeout: a.TargetIdleTimeout})
		specs = append(specs, probe.Spec[balancer.Key]{
			Key: t.Key, Addr: t.Addr, Check: g.Config.HealthCheck, Cell: &t.State.Health,
		})
	}
	c.probes.Sync(specs)
	// Only now, when no check of theirs can end any more, are the cells ours.
	for _, t := range unused {
		t.State.Health.Store(health.Status{State: health.StateUnused, Reason: health.TargetNotInUse})
	}
	// Sync itself may have written cells (unavailable, initial).
	for _, g := range s.Groups {
		c.live.HealthChanged(balancer.Key{Group: g.Name})
	}
}

// retire lets go of the targets that next no longer registers.
func (c *Controller) retire(prev, next *balancer.Snapshot) {
	c.settleLeaving(next)
	if prev == nil {
		return
	}
	kept := map[balancer.Key]bool{}
	for t := range next.Targets() {
		kept[t.Key] = true
	}
	var left []*balancer.Target
	for t := range prev.Targets() {
		if !kept[t.Key] {
			left = append(left, t)
		}
	}
	c.deregister(left, prev, next)
	c.retainMetrics(next)
}

// retainMetrics forgets the counters of what the configuration no longer has.
func (c *Controller) retainMetrics(s *balancer.Snapshot) {
	keep := map[any]bool{}
	for _, l := range s.Listeners {
		keep[l.Metrics] = true
	}
	for _, g := range s.Groups {
		keep[g.Metrics] = true
	}
	for t := range s.Targets() {
		keep[t.Metrics] = true
	}
	for _, d := range c.leaving {
		keep[d.target.Metrics] = true
	}
	c.metrics.Retain(func(e any) bool { return keep[e] })
}

// follow is the goroutine that follows target names whose addresses changed: the
// same model is compiled again. It also ends deregistrations whose time is over.
// The callbacks of resolver and clock only wake it: they must not wait for a
// reload, which may itself be waiting for the resolver.
func (c *Controller) follow() {
	defer close(c.followed)
	for {
		select {
		case <-c.closing:
			return
		case <-c.woken:
		}
		c.change.Lock()
		c.endDeregistrations()
		if prev := c.live.Load(); prev != nil && !c.ending() {
			c.recompile(prev) // a reload that waited for the names has the addresses already
		}
		c.change.Unlock()
	}
}

// sameTargets tells whether two snapshots of one model have the same targets.
func sameTargets(a, b *balancer.Snapshot) bool {
	for i, g := range a.Groups {
		if !slices.EqualFunc(g.Targets, b.Groups[i].Targets, func(s, t *balancer.Target) bool { return s.Key == t.Key }) {
			return false
		}
	}
	return true
}

func (c *Controller) onResolved(name string, addrs []netip.Addr) {
	c.log.Info("target name resolved", zap.String("name", name), zap.Stringers("addresses", addrs))
	c.wake()
}

// wake makes follow look at what has changed.
func (c *Controller) wake() {
	select {
	case c.woken <- struct{}{}:
	default: // it is awake already, or will be, and looks at everything anew
	}
}

// resolveTimeout bounds how long a reload waits for DNS. Names without an
// address by then have no targets until they get one.
const resolveTimeout = 3 * time.Second

// BeginDrain makes the process not ready, and its configuration final. It goes on
// accepting: those that watch its readiness have time to send their clients
// elsewhere.
func (c *Controller) BeginDrain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
}

// Drain takes the process out of service: not ready, no new connections, and each
// response closes its connection. Connections without a request are left open for
// a moment, since one may be on its way; then they are closed. It returns when the
// last connection is closed, or ctx ends; an error says that it cut requests.
func (c *Controller) Drain(ctx context.Context) error {
	c.BeginDrain()
	c.change.Lock() // a reload under way may be opening sockets
	c.server.Drain()
	c.set.Close()
	c.change.Unlock()
	quiet := time.Now().Add(drainQuiet)
	for {
		if c.clients() == 0 || time.Now().After(quiet) {
			c.engine.ExpireParked() // targets' connections, too
		}
		if c.engine.Conns() == 0 {
			return nil
		}
		select {
		case <-c.closing:
			return ErrEnding
		case <-ctx.Done():
			if n := c.engine.Busy(); n > 0 {
				return fmt.Errorf("%d requests were still under way: %w", n, ctx.Err())
			}
			return nil
		case <-time.After(drainPoll):
		}
	}
}

// clients is how many connections are open besides those that wait at a target
// for their next request.
func (c *Controller) clients() int {
	n := c.engine.Conns()
	if s := c.live.Load(); s != nil {
		for t := range s.Targets() {
			n -= t.State.Conns.Idle()
		}
	}
	return n
}

// drainPoll is how often a drain looks whether it is over.
const drainPoll = 20 * time.Millisecond

// drainQuiet is how long a drain leaves connections open that have no request:
// a client that was not told of the drain yet may just have sent one. It is
// longer than a request travels, and than clients pause in a series of them.
const drainQuiet = 500 * time.Millisecond

// Close ends everything at once: requests under way are cut.
func (c *Controller) Close() {
	c.change.Lock() // a reload under way ends first
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.mu.Unlock()
	c.change.Unlock()
	if again {
		return
	}
	c.resolver.Close()
	close(c.closing)
	<-c.followed
	<-c.watched
	c.ticker.stop()
	c.probes.Close()
	c.set.Close()
	c.engine.Close()
	c.change.Lock()
	c.stopLeaving()
	c.useAccess(nil)
	c.change.Unlock()
	c.retired.Wait()
}

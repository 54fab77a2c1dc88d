package probe

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
	"github.com/elbow-lb/elbow/internal/clock"
)

// Spec says that a target is to be checked, and how.
type Spec[K comparable] struct {
	// Key identifies the target from one Sync to the next.
	Key K
	// Addr is where the target takes traffic.
	Addr netip.AddrPort
	// Check says how to check. Its Port, if not 0, is used in place of
	// Addr's. When it is not Enabled nothing is checked, and the cell says
	// unavailable, Target.HealthCheckDisabled.
	Check config.HealthCheck
	// Host is the Host header of HTTP checks; "" means address:port, as ELB does.
	Host string
	// Cell takes the outcome. The Manager is its only writer from the Sync
	// that brings the spec to the return of the Sync that no longer does.
	Cell *health.Cell
}

// addr is the address to check.
func (s *Spec[K]) addr() netip.AddrPort {
	if s.Check.Port != 0 {
		return netip.AddrPortFrom(s.Addr.Addr(), s.Check.Port)
	}
	return s.Addr
}

// same tells whether two specs ask for the same checks.
func (s *Spec[K]) same(o *Spec[K]) bool {
	a, b := s.Check, o.Check
	return s.Key == o.Key && s.Cell == o.Cell && s.Host == o.Host && s.addr() == o.addr() &&
		a.Enabled == b.Enabled && a.Protocol == b.Protocol && a.Path == b.Path &&
		a.Interval == b.Interval && a.Timeout == b.Timeout &&
		a.HealthyThreshold == b.HealthyThreshold && a.UnhealthyThreshold == b.UnhealthyThreshold &&
		slices.Equal(a.Matcher.Ranges, b.Matcher.Ranges)
}

// Options configure a Manager. The zero value works.
//
// The callbacks run on the goroutines that check, for one key one after the
// other, for different keys also concurrently. They may come for a key that a
// Sync has just removed. They must not block, nor call Close; they may call
// Sync.
type Options[K comparable] struct {
	// Clock drives the schedule; nil means clock.Real. Timeouts of checks
	// always pass in real time, since the sockets are real.
	Clock clock.Clock
	// Log tells of changes of state; nil means silence.
	Log *zap.Logger
	// OnResult, if not nil, is called after each check, when the cell has
	// taken it in.
	OnResult func(K, health.Result)
	// OnChange, if not nil, is called after OnResult when the check changed
	// the target's state. It is not called for what Sync itself writes.
	OnChange func(K)
	// Dial opens the connections of checks; nil means net.Dialer's.
	Dial DialFunc
	// MaxInFlight bounds how many checks run at once (each has a goroutine
	// and a socket); the rest wait their turn. 0 means 4096. A target is
	// never checked twice at once, so the bound only matters where more
	// targets than that hang at the same time.
	MaxInFlight int
	// NewProber, if not nil, makes the probers in place of New.
	NewProber func(Spec[K]) Prober
}

// Values for what a Spec leaves at zero: ELB's for an HTTP target group.
const (
	defaultInterval = 30 * time.Second
	defaultTimeout  = 5 * time.Second
)

const defaultMaxInFlight = 4096

// Manager checks a changing set of targets.
//
// It is one schedule (a heap of due times and one timer), and one goroutine
// for each check in flight; a target that waits for its next check has none.
// Every goroutine ends by the return of Close.
type Manager[K comparable] struct {
	// Immutable after NewManager.
	opt  Options[K]
	ctx  context.Context // done when closed
	stop context.CancelFunc

	checks sync.WaitGroup // goroutines of work

	mu       sync.Mutex // guards the fields below, and the entries' fields
	closed   bool
	entries  map[K]*entry[K]
	round    uint64 // number of the last Sync
	schedule schedule[K]
	queue    []*entry[K]   // due, waiting for one of MaxInFlight
	running  int           // goroutines of work
	inFlight int           // entries that are being checked or in queue
	idle     chan struct{} // closed when inFlight returns to 0
}

// entry is one target under a Manager. It is in the schedule, or in flight
// (queued or being checked), or gone.
type entry[K comparable] struct {
	// Immutable.
	spec   Spec[K]
	prober Prober // nil when the check is not enabled
	policy health.Policy
	phase  time.Duration // when in each interval the target is checked

	// Guarded by Manager.mu.
	round   uint64 // of the last Sync that had it
	tracker health.Tracker
	since   time.Time // when the tracker's state began
	due     time.Time
	index   int                // in the schedule, -1 when not there
	cancel  context.CancelFunc // of the check in flight
	gone    bool               // a Sync removed or replaced it: hands off the cell
	trouble bool               // the last result was ElbInternalError
}

// NewManager returns a manager without targets.
func NewManager[K comparable](opt Options[K]) *Manager[K] {
	if opt.Clock == nil {
		opt.Clock = clock.Real
	}
	if opt.Log == nil {
		opt.Log = zap.NewNop()
	}
	if opt.MaxInFlight <= 0 {
		opt.MaxInFlight = defaultMaxInFlight
	}
	if opt.NewProber == nil {
		dial := opt.Dial
		opt.NewProber = func(s Spec[K]) Prober { return New(s.addr(), s.Check, s.Host, dial) }
	}
	m := &Manager[K]{opt: opt, entries: make(map[K]*entry[K])}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.schedule.init(opt.Clock, m.onDue)
	return m
}

// Sync makes specs the set of targets to check.
//
// A target whose spec asks for what it asked before goes on undisturbed, in
// the middle of its count. One whose spec changed starts again from the state
// its cell says, with a check at once. One that is no longer there stops, a
// check in flight is cut off, and its cell is left as it is, for its next
// writer. Of several specs with one key the first counts.
//
// A new target whose cell says neither healthy nor unhealthy becomes initial,
// Elb.InitialHealthChecking. Its first check starts before Sync returns, or,
// where many targets are new at once, within a second (see spread). After
// Close, Sync does nothing.
func (m *Manager[K]) Sync(specs []Spec[K]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.round++
	var fresh []*entry[K]
	for i := range specs {
		s := &specs[i]
		e := m.entries[s.Key]
		switch {
		case e != nil && (e.round == m.round || e.spec.same(s)):
			e.round = m.round
			continue
		case e != nil:
			m.removeLocked(e)
		}
		e = m.newEntry(*s)
		m.entries[s.Key] = e
		if e.prober != nil {
			fresh = append(fresh, e)
		}
	}
	for _, e := range m.entries {
		if e.round != m.round {
			m.removeLocked(e)
		}
	}
	now := m.opt.Clock.Now()
	for i, e := range fresh {
		e.due = now.Add(spread(i, len(fresh), e.policy.Interval))
		m.schedule.add(e)
	}
	m.launchLocked(now)
}

func policyOf(c config.HealthCheck) health.Policy {
	p := health.Policy{
		Interval:           c.Interval,
		Timeout:            c.Timeout,
		HealthyThreshold:   c.HealthyThreshold,
		UnhealthyThreshold: c.UnhealthyThreshold,
	}
	if p.Interval <= 0 {
		p.Interval = defaultInterval
	}
	if p.Timeout <= 0 {
		p.Timeout = defaultTimeout
	}
	return p
}

// newEntry starts a target from what its cell says.
func (m *Manager[K]) newEntry(s Spec[K]) *entry[K] {
	e := &entry[K]{spec: s, policy: policyOf(s.Check), round: m.round, index: -1}
	was := s.Cell.Detail()
	if !s.Check.Enabled {
		if was.State != health.StateUnavailable {
			s.Cell.Store(health.Status{
				State:  health.StateUnavailable,
				Reason: health.TargetHealthCheckDisabled,
				Since:  m.opt.Clock.Now(),
			})
		}
		return e
	}
	e.prober = m.opt.NewProber(s)
	e.phase = m.schedule.phase(s.Key, e.policy.Interval)
	e.tracker = health.NewTracker(e.policy, was)
	e.since = was.Since
	if e.tracker.State() != was.State || e.since.IsZero() {
		e.since = m.opt.Clock.Now()
	}
	e.publish()
	return e
}

// publish moves the tracker's view into the cell. It writes only what
// changed, so that the cache line of a quiet target stays shared.
func (e *entry[K]) publish() {
	next := health.Status{
		State:      e.tracker.State(),
		Reason:     e.tracker.Reason(),
		StatusCode: e.tracker.StatusCode(),
		Since:      e.since,
	}
	was := e.spec.Cell.Detail()
	if was.State != next.State || was.Reason != next.Reason || was.StatusCode != next.StatusCode {
		e.spec.Cell.Store(next)
	}
}

// removeLocked stops a target. From here on nothing writes its cell.
func (m *Manager[K]) removeLocked(e *entry[K]) {
	e.gone = true
	m.schedule.remove(e)
	if e.cancel != nil {
		e.cancel()
	}
	if m.entries[e.spec.Key] == e {
		delete(m.entries, e.spec.Key)
	}
}

// Settle waits until no check is in flight and their callbacks have returned,
// or until ctx is done, whose error it returns then. With a clock.Fake, all
// checks due by now have reported when it returns nil.
func (m *Manager[K]) Settle(ctx context.Context) error {
	m.mu.Lock()
	idle := m.idle
	busy := m.inFlight > 0
	m.mu.Unlock()
	if !busy {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// InFlight is the number of checks under way or waiting for a turn.
func (m *Manager[K]) InFlight() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inFlight
}

// Close stops all checks, cutting off those in flight, and waits for their
// goroutines. The cells keep what they say.
func (m *Manager[K]) Close() {
	m.mu.Lock()
	m.closed = true
	for _, e := range m.entries {
		m.removeLocked(e)
	}
	m.schedule.stop()
	m.mu.Unlock()
	m.stop()
	m.checks.Wait()
}

package probe

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
	"github.com/elbow-lb/elbow/internal/clock"
)

var (
	passed = health.Result{OK: true, StatusCode: 200}
	failed = health.Result{Reason: health.TargetFailedHealthChecks}
	wrong  = health.Result{Reason: health.TargetResponseCodeMismatch, StatusCode: 404}
)

// stage is a Manager whose targets are played by the test.
type stage struct {
	*Manager[string]
	t     *testing.T
	clock *clock.Fake
	start time.Time

	mu      sync.Mutex
	plays   map[string]func(context.Context) health.Result
	checks  map[string][]time.Duration // when each target was checked, from start
	results []string                   // OnResult, "key reason"
	changes []string                   // OnChange
}

func newStage(t *testing.T, change func(*Options[string])) *stage {
	t.Helper()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := &stage{
		t: t, clock: clock.NewFake(start), start: start,
		plays:  map[string]func(context.Context) health.Result{},
		checks: map[string][]time.Duration{},
	}
	opt := Options[string]{
		Clock:     s.clock,
		OnResult:  func(key string, r health.Result) { s.note(&s.results, key+" "+r.Reason.String()) },
		OnChange:  func(key string) { s.note(&s.changes, key) },
		NewProber: func(spec Spec[string]) Prober { return actor{s, spec.Key} },
	}
	if change != nil {
		change(&opt)
	}
	s.Manager = NewManager(opt)
	t.Cleanup(s.Close)
	return s
}

func (s *stage) note(to *[]string, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*to = append(*to, what)
}

// play sets how a target answers from now on; it passes before that.
func (s *stage) play(key string, f func(context.Context) health.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plays[key] = f
}

func (s *stage) answers(key string, r health.Result) {
	s.play(key, func(context.Context) health.Result { return r })
}

// settle waits for the checks that are due by now.
func (s *stage) settle() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Settle(ctx); err != nil {
		s.t.Fatalf("settle: %v with %d checks in flight", err, s.InFlight())
	}
}

func (s *stage) sync(specs ...Spec[string]) {
	s.t.Helper()
	s.Sync(specs)
	s.settle()
}

func (s *stage) advance(d time.Duration) {
	s.t.Helper()
	s.clock.Advance(d)
	s.settle()
}

func (s *stage) checksOf(key string) []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.checks[key])
}

func (s *stage) want(c *health.Cell, state health.State, reason health.Reason) {
	s.t.Helper()
	if gotState, gotReason := c.Load(); gotState != state || gotReason != reason {
		s.t.Errorf("cell: got %v %v, want %v %v", gotState, gotReason, state, reason)
	}
}

func (s *stage) wantChecks(key string, n int, why string) {
	s.t.Helper()
	if got := s.checksOf(key); len(got) != n {
		s.t.Errorf("%s: %s was checked at %v, want %d checks", why, key, got, n)
	}
}

// actor is a target on a stage.
type actor struct {
	*stage
	key string
}

func (a actor) Probe(ctx context.Context) health.Result {
	a.mu.Lock()
	a.checks[a.key] = append(a.checks[a.key], a.clock.Now().Sub(a.start))
	f := a.plays[a.key]
	a.mu.Unlock()
	if f == nil {
		return passed
	}
	return f(ctx)
}

func spec(key string, c *health.Cell) Spec[string] {
	return Spec[string]{Key: key, Addr: netip.MustParseAddrPort("192.0.2.1:80"), Check: httpCheck(), Cell: c}
}

const interval = 30 * time.Second // of httpCheck

func TestManagerThresholds(t *testing.T) {
	s := newStage(t, nil)
	var c health.Cell
	s.want(&c, health.StateInitial, health.ElbRegistrationInProgress)

	release := make(chan struct{})
	s.play("a", func(context.Context) health.Result { <-release; return passed })
	s.Sync([]Spec[string]{spec("a", &c)})
	s.want(&c, health.StateInitial, health.ElbInitialHealthChecking)
	if n := s.InFlight(); n != 1 {
		t.Errorf("%d checks in flight after Sync, want 1: the first comes at once", n)
	}
	close(release)
	s.settle()
	s.want(&c, health.StateHealthy, health.ReasonNone)
	if !c.Detail().Since.Equal(s.start) {
		t.Errorf("healthy since %v, want %v", c.Detail().Since, s.start)
	}

	s.answers("a", wrong)
	s.advance(interval)
	s.want(&c, health.StateHealthy, health.ReasonNone)
	s.advance(interval)
	s.want(&c, health.StateUnhealthy, health.TargetResponseCodeMismatch)
	if got := c.Detail().Description(); got != "Health checks failed with these codes: [404]" {
		t.Errorf("got description %q", got)
	}
	since := c.Detail().Since
	s.answers("a", failed)
	s.advance(interval)
	s.want(&c, health.StateUnhealthy, health.TargetFailedHealthChecks)
	if !c.Detail().Since.Equal(since) || since.Equal(s.start) {
		t.Errorf("unhealthy since %v, then since %v: want the time of the change", since, c.Detail().Since)
	}
	s.answers("a", passed)
	for range 4 {
		s.advance(interval)
		s.want(&c, health.StateUnhealthy, health.TargetFailedHealthChecks)
	}
	s.advance(interval)
	s.want(&c, health.StateHealthy, health.ReasonNone)
	if want := []string{"a", "a", "a"}; !slices.Equal(s.changes, want) {
		t.Errorf("OnChange: got %v, want %v", s.changes, want)
	}
	if len(s.results) != 9 || s.results[1] != "a Target.ResponseCodeMismatch" {
		t.Errorf("OnResult: got %q, want 9", s.results)
	}
}

func TestManagerKeepsUnchanged(t *testing.T) {
	s := newStage(t, nil)
	var a, b health.Cell
	s.sync(spec("a", &a))
	s.answers("a", failed)
	s.advance(interval) // one failure of two
	s.sync(spec("b", &b), spec("a", &a))
	s.wantChecks("a", 2, "an unchanged target is not checked out of turn")
	s.wantChecks("b", 1, "a new target is checked at once")
	s.advance(interval)
	s.want(&a, health.StateUnhealthy, health.TargetFailedHealthChecks) // the count survived
	s.want(&b, health.StateHealthy, health.ReasonNone)

	// The text of a matcher and the port that stands for itself ask for nothing else.
	same := spec("a", &a)
	same.Check.Port = same.Addr.Port()
	same.Check.Matcher.Text = "200-299"
	s.sync(same, spec("b", &b))
	s.wantChecks("a", 3, "a spec that asks for the same")
}

func TestManagerChangedCheck(t *testing.T) {
	s := newStage(t, nil)
	var c health.Cell
	s.sync(spec("a", &c))
	since := c.Detail().Since

	s.answers("a", failed)
	changed := spec("a", &c)
	changed.Check.Path = "/other"
	s.clock.Advance(time.Nanosecond)
	s.sync(changed)
	s.wantChecks("a", 2, "a changed check is made at once")
	s.want(&c, health.StateHealthy, health.ReasonNone) // one failure of two: the state was kept
	if !c.Detail().Since.Equal(since) {
		t.Errorf("healthy since %v after the change, want still %v", c.Detail().Since, since)
	}
	s.advance(interval)
	s.want(&c, health.StateUnhealthy, health.TargetFailedHealthChecks)

	// A change while a check is in flight cuts it off; what it finds is void.
	began, cut := make(chan struct{}), make(chan struct{})
	s.play("a", func(ctx context.Context) health.Result { close(began); <-ctx.Done(); close(cut); return passed })
	changed.Check.HealthyThreshold = 1
	s.Sync([]Spec[string]{changed})
	<-began
	s.answers("a", failed)
	changed.Check.Path = "/third"
	s.sync(changed)
	<-cut
	s.want(&c, health.StateUnhealthy, health.TargetFailedHealthChecks)
}

func TestManagerRemoved(t *testing.T) {
	s := newStage(t, nil)
	var a, b health.Cell
	began, release := make(chan struct{}), make(chan struct{})
	s.play("a", func(ctx context.Context) health.Result { close(began); <-ctx.Done(); <-release; return passed })
	s.Sync([]Spec[string]{spec("a", &a), spec("b", &b)})
	<-began
	s.Sync([]Spec[string]{spec("b", &b)})
	a.Store(health.Status{State: health.StateDraining, Reason: health.TargetDeregistrationInProgress})
	close(release)
	s.settle()
	s.want(&a, health.StateDraining, health.TargetDeregistrationInProgress)
	if slices.Contains(s.results, "a ") {
		t.Errorf("OnResult for a check that was cut off")
	}
	s.advance(2 * interval)
	s.wantChecks("a", 1, "a removed target")

	s.answers("a", passed)
	s.sync(spec("a", &a), spec("b", &b))
	s.want(&a, health.StateHealthy, health.ReasonNone)
	s.sync()
	s.advance(10 * interval)
	if n := s.clock.Waiting(); n > 1 {
		t.Errorf("%d timers without targets", n)
	}
}

func TestManagerDisabled(t *testing.T) {
	s := newStage(t, nil)
	var c health.Cell
	off := spec("a", &c)
	off.Check.Enabled = false
	s.sync(off)
	s.want(&c, health.StateUnavailable, health.TargetHealthCheckDisabled)
	s.advance(interval)
	s.wantChecks("a", 0, "disabled")
	s.sync(spec("a", &c))
	s.want(&c, health.StateHealthy, health.ReasonNone)
	s.sync(off)
	s.advance(interval)
	s.want(&c, health.StateUnavailable, health.TargetHealthCheckDisabled)
	s.wantChecks("a", 1, "enabled for a while")
}

func TestManagerDuplicateKeys(t *testing.T) {
	s := newStage(t, nil)
	var c, other health.Cell
	s.sync(spec("a", &c), spec("a", &other))
	s.want(&c, health.StateHealthy, health.ReasonNone)
	s.want(&other, health.StateInitial, health.ElbRegistrationInProgress)
}

// A target that hangs delays nobody else, and misses its own turns.
func TestManagerHangingTarget(t *testing.T) {
	s := newStage(t, nil)
	var a, b health.Cell
	release := make(chan struct{})
	s.play("a", func(context.Context) health.Result { <-release; return failed })
	s.Sync([]Spec[string]{spec("a", &a), spec("b", &b)})
	for n := 1; n <= 3; n++ {
		for s.InFlight() > 1 {
			<-time.After(time.Millisecond) // b's check runs on a goroutine of its own
		}
		s.wantChecks("b", n, "beside a hanging target")
		s.clock.Advance(interval)
	}
	s.wantChecks("a", 1, "while its check is in flight")
	close(release)
	s.settle()
	s.want(&a, health.StateUnhealthy, health.TargetFailedHealthChecks)
	s.advance(interval)
	s.wantChecks("a", 2, "once its check has ended")
}

func TestManagerMaxInFlight(t *testing.T) {
	const limit, targets = 3, 20
	var mu sync.Mutex
	running, most := 0, 0
	s := newStage(t, func(o *Options[string]) { o.MaxInFlight = limit })
	cells := make([]health.Cell, targets)
	var specs []Spec[string]
	for i := range cells {
		key := fmt.Sprint("t", i)
		s.play(key, func(context.Context) health.Result {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			<-time.After(time.Millisecond) // hold the place
			mu.Lock()
			running--
			mu.Unlock()
			return passed
		})
		specs = append(specs, spec(key, &cells[i]))
	}
	s.sync(specs...)
	if most > limit {
		t.Errorf("%d checks at once, want at most %d", most, limit)
	}
	for i := range cells {
		s.want(&cells[i], health.StateHealthy, health.ReasonNone)
	}
}

// After Close nothing is checked, and Close waited for what was in flight
// (goleak sees the rest).
func TestManagerClose(t *testing.T) {
	s := newStage(t, nil)
	var a health.Cell
	ended := false
	s.play("a", func(ctx context.Context) health.Result { <-ctx.Done(); ended = true; return passed })
	s.Sync([]Spec[string]{spec("a", &a)})
	s.Close()
	s.want(&a, health.StateInitial, health.ElbInitialHealthChecking)
	if got := s.checksOf("a"); len(got) == 1 && !ended {
		t.Errorf("Close returned while a check was in flight")
	}
	s.Sync([]Spec[string]{spec("a", &a), spec("b", &a)})
	s.advance(10 * interval)
	s.wantChecks("b", 0, "after Close")
}

func TestManagerLogs(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	s := newStage(t, func(o *Options[string]) { o.Log = zap.New(core) })
	var c health.Cell
	s.sync(spec("a", &c))
	s.answers("a", wrong)
	s.advance(interval)
	s.advance(interval)
	s.answers("a", health.Result{Reason: health.ElbInternalError, Detail: "too many open files"})
	s.advance(interval)
	s.advance(interval) // the second in a row is not told again
	var got []string
	for _, e := range logs.All() {
		got = append(got, fmt.Sprint(e.Level, " ", e.Message, " ", e.ContextMap()["target"]))
	}
	want := []string{"info target healthy a", "warn target unhealthy a", "warn health check could not be made a"}
	if !slices.Equal(got, want) {
		t.Errorf("got log %q, want %q", got, want)
	}
}

func TestManagerAddress(t *testing.T) {
	s := spec("a", nil)
	if got := s.addr(); got != netip.MustParseAddrPort("192.0.2.1:80") {
		t.Errorf("traffic port: got %v", got)
	}
	s.Check.Port = 9000
	if got := s.addr(); got != netip.MustParseAddrPort("192.0.2.1:9000") {
		t.Errorf("health check port: got %v", got)
	}
}

// A whole Manager with real sockets, its schedule on a fake clock.
func TestManagerOverLoopback(t *testing.T) {
	var mu sync.Mutex
	status := "200 OK"
	set := func(s string) { mu.Lock(); status = s; mu.Unlock() }
	serve := answerWith(func() string { mu.Lock(); defer mu.Unlock(); return status })
	fake := clock.NewFake(time.Unix(1_800_000_000, 0))
	m := NewManager(Options[string]{Clock: fake})
	defer m.Close()
	var c, tcp health.Cell
	check := httpCheck()
	tcpOnly := Spec[string]{Key: "tcp", Addr: target(t, hold), Check: tcpCheck(), Cell: &tcp}
	m.Sync([]Spec[string]{{Key: "http", Addr: target(t, serve), Check: check, Cell: &c}, tcpOnly})
	step := func(d time.Duration, want health.State) {
		t.Helper()
		fake.Advance(d)
		if err := m.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := c.State(); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	step(0, health.StateHealthy)
	set("503 Service Unavailable")
	step(interval, health.StateHealthy)
	step(interval, health.StateUnhealthy)
	set("204 No Content")
	for range 4 {
		step(interval, health.StateUnhealthy)
	}
	step(interval, health.StateHealthy)
	if tcp.State() != health.StateHealthy {
		t.Errorf("tcp target: got %v", tcp.State())
	}
}

// Timeouts and intervals on the real clock, in a bubble.
func TestManagerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waited []time.Duration
		m := NewManager(Options[string]{NewProber: func(Spec[string]) Prober {
			return proberFunc(func(ctx context.Context) health.Result {
				start := time.Now()
				<-ctx.Done()
				waited = append(waited, time.Since(start))
				return failure(ctx, ctx.Err(), start)
			})
		}})
		var c health.Cell
		s := spec("a", &c)
		s.Check.Timeout = 5 * time.Second
		m.Sync([]Spec[string]{s})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if state, reason := c.Load(); state != health.StateUnhealthy || reason != health.TargetTimeout {
			t.Errorf("got %v %v, want unhealthy Target.Timeout", state, reason)
		}
		time.Sleep(interval)
		m.Close()
		if len(waited) < 2 || waited[0] != 5*time.Second {
			t.Errorf("checks waited %v, want 5s, and at least two", waited)
		}
	})
}

type proberFunc func(context.Context) health.Result

func (f proberFunc) Probe(ctx context.Context) health.Result { return f(ctx) }

func TestPolicyDefaults(t *testing.T) {
	got := policyOf(config.HealthCheck{})
	if got.Interval != 30*time.Second || got.Timeout != 5*time.Second {
		t.Errorf("got %+v, want ELB's 30 s and 5 s", got)
	}
}

// Syncs, ticks and checks at the same time: no cell is written once the Sync
// that removed its spec has returned.
func TestManagerConcurrent(t *testing.T) {
	s := newStage(t, func(o *Options[string]) { o.MaxInFlight = 4 })
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				cells := make([]health.Cell, 3)
				var specs []Spec[string]
				for k := range cells {
					specs = append(specs, spec(fmt.Sprint(g, k), &cells[k]))
				}
				s.Sync(specs)
				s.clock.Advance(time.Duration(i) * 100 * time.Millisecond)
				s.mu.Lock()
				s.plays[fmt.Sprint(g, 0)] = func(ctx context.Context) health.Result { return failed }
				s.mu.Unlock()
			}
		})
	}
	wg.Wait()
	var c health.Cell
	s.Sync([]Spec[string]{spec("gone", &c)})
	s.Sync(nil)
	was := health.Status{State: health.StateUnused, Reason: health.TargetNotRegistered}
	c.Store(was)
	s.advance(interval)
	s.want(&c, was.State, was.Reason)
	if n := s.InFlight(); n != 0 {
		t.Errorf("%d checks in flight at rest", n)
	}
}

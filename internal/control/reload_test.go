package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/clock"
)

func TestReload(t *testing.T) {
	a, b := newTarget(t, "a", "127.0.0.1:0"), newTarget(t, "b", "127.0.0.1:0")
	l := newLab(t, Options{Version: "v1", Commit: "abc"})
	if l.Ready() || l.Status().Ready || l.Snapshot() != nil {
		t.Error("ready without a configuration")
	}
	l.must(l.forward(a.addr))
	if !l.Ready() {
		t.Error("not ready")
	}
	c := l.dial()
	c.get("/", 200, "a")

	before := l.Snapshot()
	l.must(l.forward(a.addr)) // the same again
	if l.Snapshot() != before {
		t.Error("an unchanged configuration was compiled anew")
	}
	if s := l.Status().Config; !s.LastOK || s.Generation != 1 {
		t.Errorf("%+v", s)
	}

	l.must(l.forward(b.addr))
	c.get("/", 200, "b") // the connection lives on
	if s := l.Status().Config; s.Generation != 2 {
		t.Errorf("%+v", s)
	}
	// A target that stays keeps its state.
	state := l.Snapshot().Groups[0].Targets[0].State
	l.must(l.forward(a.addr, b.addr))
	for _, target := range l.Snapshot().Groups[0].Targets {
		if target.Addr.String() == b.addr && target.State != state {
			t.Error("b lost its state")
		}
	}
}

// TestReloadRefused has a file that is wrong: the old one stays in force.
func TestReloadRefused(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	l := newLab(t, Options{})
	err := l.reload("version: 1\nnonsense: true\n")
	var diags config.Diagnostics
	if !errors.As(err, &diags) || len(diags) == 0 {
		t.Fatalf("%v", err)
	}
	if s := l.Status(); s.Ready || s.Config.LastOK || !strings.Contains(s.Config.LastError, "nonsense") || s.Config.Generation != 0 {
		t.Errorf("%+v", s)
	}

	l.must(l.forward(a.addr))
	applied := l.Status().Config.Applied
	if err := l.reload("version: 1\nnonsense: true\n"); err == nil {
		t.Fatal("accepted")
	}
	if s := l.Status(); !s.Ready || s.Config.LastOK || s.Config.LastError == "" || s.Config.Generation != 1 || !s.Config.Applied.Equal(applied) {
		t.Errorf("%+v", s)
	}
	l.dial().get("/", 200, "a")
	if got := l.series("elbow_config_last_reload_successful"); len(got) != 1 || !strings.Contains(got[0], "value:0") {
		t.Errorf("%v", got)
	}
	l.must(l.forward(a.addr)) // back to what is in force
	if s := l.Status().Config; !s.LastOK || s.LastError != "" || s.Generation != 1 {
		t.Errorf("%+v", s)
	}
}

// TestReloadCannotBind has a configuration that is right, but whose address is
// taken: nothing of it may stay.
func TestReloadCannotBind(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	a := newTarget(t, "a", "127.0.0.1:0")
	l := newLab(t, Options{})
	log := filepath.Join(t.TempDir(), "new.log")
	bad := listenerOn(port, "{type: forward, target_group: newcomer}") + group("newcomer", "127.0.0.1:9", "name.example:9") +
		"access_log: {file: " + log + "}\n"

	check := func(wantReady bool) {
		t.Helper()
		var bind *BindError
		if err := l.reload(bad); !errors.As(err, &bind) || !strings.Contains(err.Error(), fmt.Sprint(port)) {
			t.Fatalf("%v", err)
		}
		if l.Ready() != wantReady {
			t.Errorf("ready: %v", l.Ready())
		}
		if got := l.series("newcomer"); len(got) > 0 {
			t.Errorf("left in the metrics: %v", got)
		}
		if got := l.series(fmt.Sprint("HTTP:", port)); len(got) > 0 {
			t.Errorf("left in the metrics: %v", got)
		}
		if l.access != nil || len(l.retiring) > 0 {
			t.Error("its access log is in use")
		}
	}
	check(false)
	l.must(l.forward(a.addr))
	c := l.dial()
	c.get("/", 200, "a")
	check(true)
	c.get("/", 200, "a")
	l.dial().get("/", 200, "a")
	if n := len(l.series("target_group", `"web"`)); n == 0 {
		t.Error("the series of the old configuration are gone")
	}

	taken.Close()
	l.must(bad) // the same file takes effect when it can
	if l.Status().Config.Generation != 2 {
		t.Errorf("%+v", l.Status().Config)
	}
	l.refused(l.port)
}

// TestAccessLogCannotOpen is refused like an address that cannot be bound.
func TestAccessLogCannotOpen(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	l := newLab(t, Options{})
	l.must(l.forward(a.addr))
	err := l.reload(l.forward(a.addr) + group("newcomer", "127.0.0.1:9") + "access_log: {file: /nonexistent/x.log}\n")
	if err == nil || !strings.Contains(err.Error(), "access_log.file") {
		t.Fatal(err)
	}
	if got := l.series("newcomer"); len(got) > 0 {
		t.Errorf("left in the metrics: %v", got)
	}
	l.dial().get("/", 200, "a")
}

// TestTargetRemoved takes a target out while a request is with it.
func TestTargetRemoved(t *testing.T) {
	a, b := newTarget(t, "a", "127.0.0.1:0"), newTarget(t, "b", "127.0.0.1:0")
	l := newLab(t, Options{})
	l.must(l.forward(a.addr))
	idle, busy := l.dial(), l.dial()
	idle.get("/", 200, "a")
	busy.send("/hold")
	<-a.held
	state := l.Snapshot().Groups[0].Targets[0].State

	l.must(l.forward(b.addr))
	if n := state.Conns.Idle(); n != 0 {
		t.Errorf("%d connections to the target that is gone are idle", n)
	}
	if d := state.Health.Detail(); d.State.String() != "draining" || d.Reason.String() != "Target.DeregistrationInProgress" {
		t.Errorf("%+v", d)
	}
	idle.get("/", 200, "b")
	close(a.release)
	busy.want(200, "a")
	busy.get("/", 200, "b")
	l.await("the last connection to the target is closed", func() bool {
		return state.Conns.Idle() == 0 && state.Outstanding.Load() == 0 && l.clients() == 2
	})
}

// TestTargetMovesZone: what is known of a target outlives a change of its zone,
// and its metrics say the new one.
func TestTargetMovesZone(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	l := newLab(t, Options{})
	var state *balancer.TargetState
	for _, zone := range []string{"east", "west"} {
		l.must(strings.Replace(l.forward(a.addr), "{id: ", "{zone: "+zone+", id: ", 1) + "zones: [{name: east}, {name: west}]\n")
		l.dial().get("/", 200, "a")
		now := l.Snapshot().Groups[0].Targets[0].State
		if state != nil && now != state {
			t.Error("the target lost its state")
		}
		state = now
		all, in := l.series(a.addr), l.series(a.addr, fmt.Sprintf("%q", zone))
		if len(all) == 0 || len(all) != len(in) {
			t.Errorf("in zone %s: %v", zone, all)
		}
		if got := l.series("elbow_target_requests_total", a.addr, "value:1"); len(got) != 1 {
			t.Errorf("in zone %s: %v, want one request", zone, got)
		}
	}
}

// TestListenerRemoved: its connections end with their next response.
func TestListenerRemoved(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	l := newLab(t, Options{})
	l.must(l.forward(a.addr))
	busy, idle := l.dial(), l.dial()
	idle.get("/", 200, "a")
	busy.send("/hold")
	<-a.held
	port := freePort(t)
	l.must(listenerOn(port, "{type: forward, target_group: web}") + group("web", a.addr))
	l.refused(l.port)
	close(a.release)
	busy.want(200, "a")
	for _, c := range []*client{busy, idle} {
		c.send("/")
		if status, body, last, err := c.receive(); status != 200 || body != "a" || !last || err != nil {
			t.Errorf("%d %q, last %v, %v", status, body, last, err)
		}
	}
	if got := l.series(fmt.Sprint("HTTP:", l.port)); len(got) > 0 {
		t.Errorf("left in the metrics: %v", got)
	}
	c, err := dialTo(t, port)
	if err != nil {
		t.Fatal(err)
	}
	c.get("/", 200, "a")
}

// TestUnusedGroup: what no load balancer forwards to is not checked.
func TestUnusedGroup(t *testing.T) {
	a, b := newTarget(t, "a", "127.0.0.1:0"), newTarget(t, "b", "127.0.0.1:0")
	l := newLab(t, Options{})
	both := group("a", a.addr) + group("b", b.addr)
	for range 3 {
		l.must(l.listener("{type: forward, target_group: a}") + both)
		l.await("a is checked, b is not", func() bool { s := l.state(); return s[a.addr] == "healthy" && s[b.addr] == "unused" })
		l.dial().get("/", 200, "a")
		l.must(l.listener("{type: forward, target_group: b}") + both)
		l.await("b is checked, a is not", func() bool { s := l.state(); return s[b.addr] == "healthy" && s[a.addr] == "unused" })
		l.dial().get("/", 200, "b")
	}
}

// load has clients that send request after request until stop is closed. Any
// that fails is an error of the test.
func (l *lab) load(clients int, stop <-chan struct{}) (answered *atomic.Int64, done *sync.WaitGroup) {
	l.Helper()
	answered, done = new(atomic.Int64), new(sync.WaitGroup)
	for range clients {
		c := l.dial()
		done.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c.send("/")
				status, _, last, err := c.receive()
				if err != nil || status != 200 || last {
					l.Errorf("status %d, last %v, %v", status, last, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	return answered, done
}

// TestReloadsUnderLoad changes targets, rules and the access log under load: no
// request fails, and each is in exactly one log.
func TestReloadsUnderLoad(t *testing.T) {
	a, b := newTarget(t, "a", "127.0.0.1:0"), newTarget(t, "b", "127.0.0.1:0")
	dir := t.TempDir()
	l := newLab(t, Options{})
	conf := func(i int) string {
		format := []string{"elb", "json"}[i%2]
		targets := [][]string{{a.addr, b.addr}, {b.addr}, {a.addr}}[i%3]
		return l.forward(targets...) + fmt.Sprintf("access_log: {file: %s/%d.log, format: %s}\n", dir, i, format)
	}
	l.must(conf(0))
	stop := make(chan struct{})
	answered, done := l.load(8, stop)
	for i := 1; i <= 20; i++ {
		n := answered.Load()
		l.await("requests between two reloads", func() bool { return answered.Load() >= n+50 || t.Failed() })
		l.must(conf(i))
	}
	close(stop)
	done.Wait()
	if n := l.Status().Config.Generation; n != 21 {
		t.Errorf("generation %d", n)
	}
	dropped := l.series("elbow_access_log_dropped_lines_total")
	if len(dropped) != 1 || !strings.Contains(dropped[0], "value:0") {
		t.Error(dropped)
	}
	// A line is appended after the response was sent.
	l.await("no request is under way", func() bool { return l.engine.Busy() == 0 })
	l.Controller.Close()
	logs, err := filepath.Glob(dir + "/*.log")
	if err != nil || len(logs) != 21 {
		t.Fatal(logs, err)
	}
	lines := int64(0)
	for _, f := range logs {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		lines += int64(strings.Count(string(text), "\n"))
	}
	if n := answered.Load(); lines != n {
		t.Errorf("%d lines for %d requests", lines, n)
	}
}

// TestReloadsAtOnce: whichever comes last is in force.
func TestReloadsAtOnce(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	l := newLab(t, Options{})
	l.must(l.forward(a.addr))
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			l.reload(l.listener(fmt.Sprintf(`{type: fixed-response, status_code: "200", content_type: text/plain, message_body: "%d"}`, i)) + group("web", a.addr))
			l.Status()
			l.Ready()
			l.series("elbow")
		})
	}
	all.Wait()
	last := *l.text.Load()
	m, _ := config.Parse("elbow.yaml", []byte(last), nil)
	if l.Snapshot().Model.Hash != m.Hash {
		t.Error("an older configuration than the last is in force")
	}
}

// TestScrapeLints holds the exposition as a whole to Prometheus' rules.
func TestScrapeLints(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	l := newLab(t, Options{Version: "v1", Commit: "abc"})
	problems := func() {
		t.Helper()
		all, err := testutil.GatherAndLint(l.Metrics().Gatherer())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if strings.HasPrefix(p.Metric, "elbow_") {
				t.Errorf("%s: %s", p.Metric, p.Text)
			}
		}
	}
	problems() // nothing is configured yet
	l.must(l.forward(a.addr, "127.0.0.1:9") + group("unused", a.addr))
	l.dial().get("/", 200, "*")
	problems()
	if got := l.series("elbow_healthy_hosts", `"web"`); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// TestZoneChanges gives a target another zone: its series have it, its state stays.
func TestZoneChanges(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(a.addr)
	l := newLab(t, Options{})
	in := func(zone string) string {
		return l.listener("{type: forward, target_group: web}") + fmt.Sprintf(
			"  - {name: web, protocol: HTTP, port: 80, targets: [{id: 127.0.0.1, port: %s, zone: %s}]}\nzones: [{name: east}, {name: west}]\n", port, zone)
	}
	l.must(in("east"))
	c := l.dial()
	c.get("/", 200, "a")
	state := l.Snapshot().Groups[0].Targets[0].State
	l.must(in("west"))
	c.get("/", 200, "a")
	if l.Snapshot().Groups[0].Targets[0].State != state {
		t.Error("the target lost its state")
	}
	l.await("the request is counted", func() bool { return l.engine.Busy() == 0 })
	if got := l.series(`"east"`); len(got) != 0 {
		t.Errorf("of the old zone: %v", got)
	}
	for _, name := range []string{"elbow_target_requests_total", "elbow_target_health"} {
		if got := l.series(name, `"west"`); len(got) != 1 || !strings.Contains(got[0], "value:1") {
			t.Errorf("of the new zone: %v", got)
		}
	}
}

// TestStatusLists: what is empty is an empty list, for jq and its like.
func TestStatusLists(t *testing.T) {
	l := newLab(t, Options{})
	f := func(when string) {
		t.Helper()
		b, err := json.Marshal(l.Status())
		if err != nil || strings.Contains(string(b), "null") {
			t.Errorf("%s: %v %s", when, err, b)
		}
	}
	f("before the first configuration")
	l.must(l.listener("{type: forward, target_group: web}") + "  - {name: web, protocol: HTTP, port: 80, targets: []}\n")
	f("without targets")
}

// TestUnchanged: a reload that finds nothing new does not make the configuration
// in force younger.
func TestUnchanged(t *testing.T) {
	l := newLab(t, Options{Clock: clock.NewFake(time.Unix(2e9, 0))})
	text := l.listener(`{type: fixed-response, status_code: "200"}`) + group("web", "127.0.0.1:9")
	l.must(text)
	l.opt.Clock.(*clock.Fake).Advance(time.Hour)
	l.must(text)
	if s := l.Status().Config; s.Generation != 1 || !s.LastOK || s.Applied.Unix() != 2e9 || s.LastAttempt.Unix() != 2e9+3600 {
		t.Errorf("%+v", s)
	}
	if got := l.series("elbow_config_last_reload_success_timestamp_seconds", "value:2.0000036e+09"); len(got) != 1 {
		t.Errorf("%v", l.series("elbow_config_last_reload_success_timestamp_seconds"))
	}
}

func TestStatus(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	l := newLab(t, Options{Version: "v1"})
	l.must(l.forward(a.addr, "127.0.0.1:9"))
	l.await("both were checked", func() bool { s := l.state(); return s[a.addr] == "healthy" && s["127.0.0.1:9"] == "unhealthy" })
	l.dial().get("/", 200, "a")
	l.await("the request is over", func() bool { return l.engine.Busy() == 0 })
	s := l.Status()
	if s.Version != "v1" || !s.Ready || s.Draining || s.Connections == 0 || s.Started.IsZero() {
		t.Errorf("%+v", s)
	}
	if len(s.LoadBalancers) != 1 || len(s.LoadBalancers[0].Listeners) != 1 {
		t.Fatalf("%+v", s.LoadBalancers)
	}
	ls := s.LoadBalancers[0].Listeners[0]
	if ls.Protocol != "HTTP" || int(ls.Port) != l.port || len(ls.Addresses) != 1 || ls.Addresses[0].String() != fmt.Sprintf("127.0.0.1:%d", l.port) {
		t.Errorf("%+v", ls)
	}
	g := s.TargetGroups[0]
	if g.Name != "web" || g.Healthy != 1 || g.Unhealthy != 1 || g.FailOpen || g.Algorithm != "round_robin" {
		t.Errorf("%+v", g)
	}
	if bad := g.Targets[1]; bad.State != "unhealthy" || bad.Reason != "Target.FailedHealthChecks" || bad.Description == "" {
		t.Errorf("%+v", bad)
	}
	if good := g.Targets[0]; good.ID != "127.0.0.1" || good.Reason != "" || good.Outstanding != 0 || good.Idle != 1 {
		t.Errorf("%+v", good)
	}
}

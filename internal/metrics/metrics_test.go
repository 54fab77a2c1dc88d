package metrics

import (
	"fmt"
	"io"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// scrape returns the value of every elbow_ series, by name and labels as the
// text format writes them.
func scrape(t *testing.T, r *Registry) map[string]float64 {
	t.Helper()
	rec := httptest.NewRecorder()
	r.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	if rec.Code != 200 {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	body, err := io.ReadAll(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, "elbow_") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		var v float64
		if _, err := fmt.Sscan(line[at+1:], &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		values[line[:at]] = v
	}
	return values
}

func expect(t *testing.T, got map[string]float64, want map[string]float64) {
	t.Helper()
	for series, v := range want {
		if g, ok := got[series]; !ok || g != v {
			t.Errorf("%s = %v (present: %v), want %v", series, g, ok, v)
		}
	}
}

// emitAll emits every metric of the callbacks once, as the control plane does.
func emitAll(groups, targetsPerGroup int) func(Emitter) {
	return func(e Emitter) {
		e.Emit(ConfigGeneration, 3)
		e.Emit(ConfigInfo, 1, "0123abcd")
		e.Emit(ConfigReloadSuccessful, 1)
		e.Emit(ConfigReloadSuccessTime, 1.7e9)
		e.Emit(MemoryLimit, 1)
		e.Emit(MemoryUsed, 1)
		e.Emit(MemoryPressure, 0)
		e.Emit(AcceptFailures, 0)
		e.Emit(AccessLogDropped, 7)
		for g := range groups {
			group := fmt.Sprint("group", g)
			e.Emit(HealthyHosts, 2, group)
			e.Emit(UnhealthyHosts, 1, group)
			e.Emit(DrainingHosts, 0, group)
			e.Emit(QueuedRequests, 0, group)
			e.Emit(AnomalousHosts, 1, group)
			e.Emit(MitigatedHosts, 1, group)
			e.Emit(TargetOverride, 1, group, "10.0.0.1:80", "drain")
			e.Emit(FailOpen, 0, group)
			for i := range targetsPerGroup {
				target := fmt.Sprintf("10.0.0.%d:80", i)
				e.Emit(TargetHealth, 1, group, target, "a", "healthy")
				e.Emit(OutstandingRequests, 4, group, target, "a")
				e.Emit(IdleConnections, 5, group, target, "a")
			}
		}
	}
}

func TestValues(t *testing.T) {
	r := New(2, Options{Version: "1.2.3", Commit: "abc", Reasons: []string{"", "bad-header", "bad-uri"}})
	l := r.Listener("web", "HTTP:80")
	for i := range 2 {
		s := l.Shard(i)
		s.Connections.Add(5)
		s.RejectedConnections.Inc()
		s.Requests.Add(10)
		s.RuleEvaluations.Add(30)
		s.ReceivedBytes.Add(1000)
		s.SentBytes.Add(2000)
		s.Redirects.Inc()
		s.FixedResponses.Inc()
		for _, status := range []int{-1, 0, 101, 200, 299, 301, 400, 405, 460, 499, 500, 502, 503, 503, 504, 599, 600, math.MaxInt} {
			s.ELBCode(status)
		}
		s.Refuse(1)
		s.Refused[2].Inc()
		s.Refuse(MaxReasons)
		s.Refuse(255)
	}
	l.Shard(0).ActiveConnections.Add(3) // opened by one loop,
	l.Shard(0).ActiveConnections.Inc()
	l.Shard(1).ActiveConnections.Dec() // closed by the other

	g := r.Group("api")
	target := r.Target("api", "10.0.0.1:8080", "a")
	for i := range 2 {
		gs, ts := g.Shard(i), target.Shard(i)
		gs.Requests.Inc()
		ts.Requests.Inc()
		gs.ConnectionErrors.Inc()
		ts.ConnectionErrors.Inc()
		gs.TLSErrors.Inc()
		ts.TLSErrors.Inc()
		gs.Retries.Inc()
		ts.Retries.Inc()
		for _, status := range []int{-1, 100, 200, 204, 301, 404, 503, 600} {
			gs.TargetCode(status)
			ts.TargetCode(status)
		}
		for _, d := range []time.Duration{-1, 500 * time.Microsecond, 500*time.Microsecond + 1, 250 * time.Millisecond, time.Minute} {
			gs.Observe(int64(d))
			ts.Observe(int64(d))
		}
	}
	r.OnScrape(emitAll(1, 1))

	got := scrape(t, r)
	const li, tg = `{listener="HTTP:80",load_balancer="web"`, `{target="10.0.0.1:8080",target_group="api",zone="a"`
	expect(t, got, map[string]float64{
		`elbow_connections_total` + li + `}`:                                      10,
		`elbow_active_connections` + li + `}`:                                     3,
		`elbow_rejected_connections_total` + li + `}`:                             2,
		`elbow_requests_total` + li + `}`:                                         20,
		`elbow_rule_evaluations_total` + li + `}`:                                 60,
		`elbow_received_bytes_total` + li + `}`:                                   2000,
		`elbow_sent_bytes_total` + li + `}`:                                       4000,
		`elbow_redirects_total` + li + `}`:                                        2,
		`elbow_fixed_responses_total` + li + `}`:                                  2,
		`elbow_elb_responses_total{class="3xx",` + li[1:] + `}`:                   2,
		`elbow_elb_responses_total{class="4xx",` + li[1:] + `}`:                   8,
		`elbow_elb_responses_total{class="5xx",` + li[1:] + `}`:                   12,
		`elbow_elb_response_codes_total{code="400",` + li[1:] + `}`:               2,
		`elbow_elb_response_codes_total{code="408",` + li[1:] + `}`:               0,
		`elbow_elb_response_codes_total{code="460",` + li[1:] + `}`:               2,
		`elbow_elb_response_codes_total{code="500",` + li[1:] + `}`:               2,
		`elbow_elb_response_codes_total{code="502",` + li[1:] + `}`:               2,
		`elbow_elb_response_codes_total{code="503",` + li[1:] + `}`:               4,
		`elbow_elb_response_codes_total{code="504",` + li[1:] + `}`:               2,
		`elbow_elb_response_codes_total{code="other",` + li[1:] + `}`:             6, // 405, 499, 599
		`elbow_refused_requests_total{reason="bad-header"}`:                       2,
		`elbow_refused_requests_total{reason="bad-uri"}`:                          2,
		`elbow_target_group_requests_total{target_group="api"}`:                   2,
		`elbow_target_group_connection_errors_total{target_group="api"}`:          2,
		`elbow_target_group_tls_errors_total{target_group="api"}`:                 2,
		`elbow_target_group_retries_total{target_group="api"}`:                    2,
		`elbow_target_group_responses_total{class="2xx",` + `target_group="api"}`: 4,
		`elbow_target_group_responses_total{class="3xx",` + `target_group="api"}`: 2,
		`elbow_target_group_responses_total{class="4xx",` + `target_group="api"}`: 2,
		`elbow_target_group_responses_total{class="5xx",` + `target_group="api"}`: 2,

		`elbow_target_group_response_time_seconds_bucket{target_group="api",le="0.0005"}`: 4,
		`elbow_target_group_response_time_seconds_bucket{target_group="api",le="0.001"}`:  6,
		`elbow_target_group_response_time_seconds_bucket{target_group="api",le="0.1"}`:    6,
		`elbow_target_group_response_time_seconds_bucket{target_group="api",le="0.25"}`:   8,
		`elbow_target_group_response_time_seconds_bucket{target_group="api",le="10"}`:     8,
		`elbow_target_group_response_time_seconds_bucket{target_group="api",le="+Inf"}`:   10,
		`elbow_target_group_response_time_seconds_count{target_group="api"}`:              10,
		`elbow_target_group_response_time_seconds_sum{target_group="api"}`:                120.502000002,

		`elbow_target_requests_total` + tg + `}`:                                                   2,
		`elbow_target_connection_errors_total` + tg + `}`:                                          2,
		`elbow_target_tls_errors_total` + tg + `}`:                                                 2,
		`elbow_target_retries_total` + tg + `}`:                                                    2,
		`elbow_target_responses_total{class="2xx",` + tg[1:] + `}`:                                 4,
		`elbow_target_responses_total{class="5xx",` + tg[1:] + `}`:                                 2,
		`elbow_target_response_time_seconds_count` + tg + `}`:                                      10,
		`elbow_target_response_time_seconds_sum` + tg + `}`:                                        120.502000002,
		`elbow_healthy_hosts{target_group="group0"}`:                                               2,
		`elbow_unhealthy_hosts{target_group="group0"}`:                                             1,
		`elbow_config_generation`:                                                                  3,
		`elbow_config_info{hash="0123abcd"}`:                                                       1,
		`elbow_config_last_reload_successful`:                                                      1,
		`elbow_config_last_reload_success_timestamp_seconds`:                                       1.7e9,
		`elbow_access_log_dropped_lines_total`:                                                     7,
		`elbow_target_health{state="healthy",target="10.0.0.0:80",target_group="group0",zone="a"}`: 1,
	})
	for series := range got {
		if strings.Contains(series, `reason=""`) {
			t.Errorf("%s is exported", series)
		}
	}
}

// TestConcurrentIncrements counts on every shard while scrapes run, and expects
// exact sums at the end and sums that never fall between.
func TestConcurrentIncrements(t *testing.T) {
	const shards, each = 4, 5000
	r := New(shards, Options{Reasons: []string{"a", "b"}})
	l, g, target := r.Listener("web", "HTTP:80"), r.Group("api"), r.Target("api", "t", "")
	var work sync.WaitGroup
	for i := range shards {
		for range 2 {
			work.Go(func() {
				ls, gs, ts := l.Shard(i), g.Shard(i), target.Shard(i)
				for n := range each {
					ls.Requests.Inc()
					ls.ActiveConnections.Inc()
					ls.ELBCode(503)
					ls.Refuse(1)
					gs.Observe(int64(n) * 1e5)
					ts.TargetCode(200)
					ls.ActiveConnections.Dec()
				}
			})
		}
	}
	done := make(chan struct{})
	go func() {
		work.Wait()
		close(done)
	}()
	const requests = `elbow_requests_total{listener="HTTP:80",load_balancer="web"}`
	for last, running := 0.0, true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got := scrape(t, r)
		if got[requests] < last {
			t.Fatalf("requests fell from %v to %v", last, got[requests])
		}
		last = got[requests]
	}
	const total = 2 * shards * each
	expect(t, scrape(t, r), map[string]float64{
		requests: total,
		`elbow_active_connections{listener="HTTP:80",load_balancer="web"}`:                  0,
		`elbow_elb_response_codes_total{code="503",listener="HTTP:80",load_balancer="web"}`: total,
		`elbow_refused_requests_total{reason="a"}`:                                          0,
		`elbow_refused_requests_total{reason="b"}`:                                          total,
		`elbow_target_group_response_time_seconds_count{target_group="api"}`:                total,
		`elbow_target_responses_total{class="2xx",target="t",target_group="api",zone=""}`:   total,
	})
}

func TestLint(t *testing.T) {
	r := New(1, Options{Reasons: []string{"bad-header"}})
	r.Listener("web", "HTTP:80")
	r.Group("group0")
	r.Target("group0", "10.0.0.1:80", "a")
	r.OnScrape(emitAll(1, 1))
	problems, err := testutil.CollectAndLint(collector{r})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	// Describe and Collect agree, and the catalog is exported in full.
	if n, err := testutil.GatherAndCount(r.Gatherer()); err != nil || n < len(catalog) {
		t.Errorf("%d series: %v", n, err)
	}
	families, err := r.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	exported := make(map[string]string)
	for _, f := range families {
		exported[f.GetName()] = f.GetHelp()
	}
	for _, m := range catalog {
		help, ok := exported[m.Name]
		if !ok {
			t.Errorf("%s is in the catalog but was not exported", m.Name)
		}
		if !strings.Contains(help, m.CloudWatch) {
			t.Errorf("%s: the help text does not name %s", m.Name, m.CloudWatch)
		}
	}
}

func TestCardinality(t *testing.T) {
	const listeners, groups, perGroup = 7, 5, 9
	const targets = groups * perGroup
	r := New(2, Options{Reasons: manyReasons(MaxReasons)})
	for i := range listeners {
		l := r.Listener("web", fmt.Sprint("HTTP:", i))
		for status := range 600 {
			l.Shard(0).ELBCode(status)
		}
	}
	for g := range groups {
		name := fmt.Sprint("group", g)
		gs := r.Group(name).Shard(0)
		for status := range 600 {
			gs.TargetCode(status)
		}
		for i := range perGroup {
			r.Target(name, fmt.Sprintf("10.0.0.%d:80", i), "a").Shard(0).TargetCode(200)
		}
	}
	r.OnScrape(emitAll(groups, perGroup))
	// A line of the text format is a series; the buckets of a histogram count.
	rec := httptest.NewRecorder()
	r.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	series, elbow := 0, 0
	for line := range strings.Lines(rec.Body.String()) {
		if !strings.HasPrefix(line, "#") {
			series++
			if strings.HasPrefix(line, "elbow_") {
				elbow++
			}
		}
	}
	limit := 120 + 30*listeners + 35*groups + 15*targets
	if series > limit {
		t.Errorf("%d series, at most %d", series, limit)
	}
	t.Logf("%d series of %d, %d of them of the runtime", series, limit, series-elbow)
	perEntity := func(label, value string) (n int) {
		for line := range strings.Lines(rec.Body.String()) {
			if strings.Contains(line, label+`="`+value+`"`) && (label == "target" || !strings.Contains(line, `target="`)) {
				n++
			}
		}
		return n
	}
	if n := perEntity("listener", "HTTP:0"); n > 30 {
		t.Errorf("%d series per listener", n)
	}
	if n := perEntity("target_group", "group0"); n > 35 {
		t.Errorf("%d series per target group", n)
	}
	if n := perEntity("target", "10.0.0.0:80") / groups; n > 15 {
		t.Errorf("%d series per target", n)
	}
	process := 0
	for line := range strings.Lines(rec.Body.String()) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, `listener="`) && !strings.Contains(line, `target_group="`) {
			process++
		}
	}
	if process > 120 {
		t.Errorf("%d series of the process", process)
	}
}

func manyReasons(n int) (reasons []string) {
	for i := range n {
		reasons = append(reasons, fmt.Sprint("reason-", i))
	}
	return reasons
}

func TestGetOrCreateAndRetain(t *testing.T) {
	r := New(1, Options{Reasons: []string{"a"}})
	l, other := r.Listener("web", "HTTP:80"), r.Listener("web", "HTTPS:443")
	g, tg := r.Group("api"), r.Target("api", "t", "a")
	if r.Listener("web", "HTTP:80") != l || r.Group("api") != g || r.Target("api", "t", "a") != tg {
		t.Error("the same labels gave another entity")
	}
	if l == other || r.Target("api", "t", "b") == tg || r.Target("web", "t", "a") == tg {
		t.Error("different labels gave the same entity")
	}
	l.Shard(0).Refuse(0)
	other.Shard(0).Refuse(0)
	other.Shard(0).Requests.Inc()

	var seen []string
	r.Retain(func(entity any) bool {
		seen = append(seen, fmt.Sprintf("%T", entity))
		return entity == any(other)
	})
	slices.Sort(seen)
	if got := slices.Compact(seen); len(got) != 3 {
		t.Errorf("keep was called with %v", got)
	}
	got := scrape(t, r)
	for series := range got {
		if strings.Contains(series, "HTTP:80") || strings.Contains(series, "target_group") {
			t.Errorf("%s is still exported", series)
		}
	}
	expect(t, got, map[string]float64{
		`elbow_requests_total{listener="HTTPS:443",load_balancer="web"}`: 1,
		`elbow_refused_requests_total{reason="a"}`:                       2, // must not fall
	})
	if r.Listener("web", "HTTP:80") == l {
		t.Error("a forgotten listener came back with its old counts")
	}
}

func TestBadEmitLosesOneValue(t *testing.T) {
	r := New(1, Options{})
	r.OnScrape(func(e Emitter) {
		e.Emit(HealthyHosts, 1)                   // label missing
		e.Emit(&Metric{Name: "elbow_unknown"}, 1) // not in the catalog
		e.Emit(groupResponseTime, 1, "api")       // a histogram
		e.Emit(ConfigGeneration, 5)
	})
	if _, err := r.Gatherer().Gather(); err == nil {
		t.Error("Gather reports nothing")
	} else {
		for _, want := range []string{"elbow_healthy_hosts", "elbow_unknown", "is a histogram"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error lacks %q: %v", want, err)
			}
		}
	}
	expect(t, scrape(t, r), map[string]float64{`elbow_config_generation`: 5})
}

func TestNewPanics(t *testing.T) {
	f := func(name string, shards int, reasons []string) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", name)
			}
		}()
		New(shards, Options{Reasons: reasons})
	}
	f("no shards", 0, nil)
	f("too many reasons", 1, manyReasons(MaxReasons+1))
	f("duplicate reason", 1, []string{"", "", "a", "a"})
	New(1, Options{Reasons: manyReasons(MaxReasons)})
}

// TestShardsDoNotShareLines pins the layout that makes increments cheap.
func TestShardsDoNotShareLines(t *testing.T) {
	l, g, tg := New(2, Options{}).Listener("a", "b"), &Group{shards: make([]GroupShard, 2)}, &Target{shards: make([]TargetShard, 2)}
	f := func(name string, lastOfFirst, firstOfSecond unsafe.Pointer) {
		t.Helper()
		if d := uintptr(firstOfSecond) - uintptr(lastOfFirst); d < cacheLine {
			t.Errorf("%s: %d bytes between the counters of two loops", name, d)
		}
	}
	f("listener", unsafe.Pointer(&l.Shard(0).Refused[MaxReasons-1]), unsafe.Pointer(&l.Shard(1).Requests))
	f("group", unsafe.Pointer(&g.Shard(0).ResponseTime.sum), unsafe.Pointer(&g.Shard(1).Requests))
	f("target", unsafe.Pointer(&tg.Shard(0).responses), unsafe.Pointer(&tg.Shard(1).Requests))
}

func TestIncrementsDoNotAllocate(t *testing.T) {
	r := New(1, Options{})
	l, g, tg := r.Listener("a", "b").Shard(0), r.Group("g").Shard(0), r.Target("g", "t", "").Shard(0)
	n := testing.AllocsPerRun(100, func() {
		l.Requests.Inc()
		l.ActiveConnections.Dec()
		l.ELBCode(502)
		l.Refuse(3)
		g.TargetCode(200)
		g.Observe(12345)
		tg.TargetCode(200)
		tg.Observe(12345)
	})
	if n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

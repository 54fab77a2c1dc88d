package control

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/elbow-lb/elbow/balancer"
)

// TestPanicCostsOneConnection has a mistake in the process: a redirect that was
// never compiled. The request that meets it is answered 500 and its connection
// closed; it is counted and logged, and all others go on.
func TestPanicCostsOneConnection(t *testing.T) {
	core, logs := observer.New(zap.ErrorLevel)
	l := newLab(t, Options{Log: zap.New(core)})
	l.must(fmt.Sprintf(`
version: 1
load_balancers:
  - name: app
    type: application
    listeners:
      - protocol: HTTP
        port: %d
        address: 127.0.0.1
        default_actions: [{type: fixed-response, status_code: "200"}]
        rules:
          - priority: 1
            conditions: [{field: path-pattern, values: [/broken]}]
            actions: [{type: redirect, path: /new, status_code: HTTP_301}]
`, l.port))
	broken := balancer.Compile(l.Snapshot().Model, l.Snapshot(), l.env(l.Snapshot().Model, l.sticky))
	broken.Listeners[0].Actions[0].Redirect = nil
	l.live.Swap(broken)

	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ask := func(path string, status int, closes bool) {
		t.Helper()
		res, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d%s", l.port, path))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != status || res.Close != closes {
			t.Errorf("%s: %d, close %v; want %d, %v", path, res.StatusCode, res.Close, status, closes)
		}
	}
	ask("/", 200, false)
	ask("/broken", 500, true)
	ask("/", 200, false)
	if n := l.server.Panics(); n != 1 {
		t.Errorf("%d panics counted, want 1", n)
	}
	if n := logs.Len(); n != 1 || !strings.Contains(logs.All()[0].Message, "panic") {
		t.Errorf("%d errors logged: %v", n, logs.All())
	}
	// It is counted after it was answered.
	deadline := time.Now().Add(patience)
	for refusals(t, l.Controller, "InternalError") != 1 {
		if time.Now().After(deadline) {
			t.Fatal("the panic is not counted among the reasons")
		}
		time.Sleep(time.Millisecond)
	}
}

// refusals is the count of elbow_refused_requests_total for a reason.
func refusals(t *testing.T, c *Controller, reason string) float64 {
	t.Helper()
	families, err := c.Metrics().Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "elbow_refused_requests_total" && m.GetLabel()[0].GetValue() == reason {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

package application_test

import (
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/listener/application"
)

// TestPanic has a bug: an action that is not complete. It costs the request that
// meets it, and nothing else.
func TestPanic(t *testing.T) {
	target := cheapTarget(t, okResponse)
	r := newRig(t, oneGroup, target)
	// The rule for /old/* is meant to redirect.
	old := r.live.Load()
	next := balancer.Compile(old.Model, old, r.env())
	next.Listeners[0].Actions[1].Redirect = nil
	r.live.Swap(next)
	const n = 3
	r.panics.Store(n)
	other := r.dial()
	for range n {
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if res, _ := c.response("GET"); res.StatusCode != 200 {
			t.Errorf("status %d", res.StatusCode)
		}
		c.send("GET /old/x HTTP/1.1\r\nHost: x\r\n\r\n")
		res, body := c.response("GET")
		if res.StatusCode != 500 || !res.Close || res.Header.Get("Server") != "elbow" || !strings.Contains(body, "500 Internal Server Error") {
			t.Errorf("%d %v %q", res.StatusCode, res.Header, body)
		}
		c.closed()
		other.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if res, _ := other.response("GET"); res.StatusCode != 200 {
			t.Errorf("status %d", res.StatusCode)
		}
	}
	if got := r.server.Panics(); got != n {
		t.Errorf("%d panics counted, want %d", got, n)
	}
	if line := r.waitLog(2)[1]; !strings.Contains(line, " 500 ") || !strings.Contains(line, `"InternalError"`) {
		t.Error(line)
	}
	reason := 0
	for i, word := range application.Reasons() {
		if word == "InternalError" {
			reason = i
		}
	}
	m := r.live.Load().Listeners[0].Metrics.Shard(0)
	if got := m.Refused[reason].Load(); got != n {
		t.Errorf("%d requests counted as InternalError, want %d", got, n)
	}
	other.Close()
	r.checkIdle()
	if got := m.ActiveConnections.Load(); got != 0 {
		t.Errorf("%d connections are counted as active", got)
	}
}

package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/elbow-lb/elbow/internal/control"
)

func TestWriteStatus(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := control.Status{
		Version: "v1.2.3", Ready: true, Started: now.Add(-50 * time.Hour), Connections: 12,
		Config: control.ConfigStatus{
			Generation: 3, Hash: "0123456789abcdef", Applied: now.Add(-time.Hour),
			LastAttempt: now.Add(-3 * time.Second), LastError: "elbow.yaml:1:2: a: wrong\nelbow.yaml:3:4: b: wrong as well",
		},
		LoadBalancers: []control.LoadBalancerStatus{{Name: "web", Type: "application", Listeners: []control.ListenerStatus{
			{Protocol: "HTTP", Port: 80, Addresses: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:80"), netip.MustParseAddrPort("192.0.2.2:80")}, Rules: 12},
			{Protocol: "HTTP", Port: 8080, Addresses: []netip.AddrPort{netip.MustParseAddrPort("[::]:8080")}},
		}}},
		TargetGroups: []control.TargetGroupStatus{
			{Name: "web", Protocol: "HTTP", Algorithm: "round_robin", Healthy: 1, Unhealthy: 1, Targets: []control.TargetStatus{
				{ID: "10.0.0.11", Address: netip.MustParseAddrPort("10.0.0.11:80"), Zone: "a", State: "healthy", Outstanding: 7, Idle: 120},
				{ID: "app.example", Address: netip.MustParseAddrPort("[2001:db8::1]:80"), State: "unhealthy", Reason: "Target.Timeout", Description: "Request timed out"},
			}},
			{Name: "empty", Protocol: "HTTP", Algorithm: "round_robin"},
			{Name: "sad", Protocol: "HTTP", Algorithm: "weighted_random", Unhealthy: 1, FailOpen: true, Targets: []control.TargetStatus{
				{ID: "10.0.0.13", Address: netip.MustParseAddrPort("10.0.0.13:80"), State: "unhealthy", Reason: "Target.FailedHealthChecks", Description: "Health checks failed"},
			}},
		},
	}
	const want = `
elbow v1.2.3  ready, up 2d2h, 12 connections
configuration  generation 3, applied 1h0m ago, 0123456789ab
last reload    REJECTED 3s ago; generation 3 stays in force:
  elbow.yaml:1:2: a: wrong
  elbow.yaml:3:4: b: wrong as well

LOAD BALANCER  TYPE         LISTENER   ADDRESSES                  RULES
web            application  HTTP:80    192.0.2.1:80 192.0.2.2:80     12
web            application  HTTP:8080  [::]:8080                      0

target group web  HTTP, round_robin, 1 of 2 targets healthy
TARGET       ADDRESS           ZONE  STATE      OUTSTANDING  IDLE  REASON
10.0.0.11    10.0.0.11:80      a     healthy              7   120
app.example  [2001:db8::1]:80        unhealthy            0     0  Target.Timeout             Request timed out

target group empty  HTTP, round_robin, 0 of 0 targets healthy

target group sad  HTTP, weighted_random, 0 of 1 target healthy; fail-open: too few are healthy, so all are used
TARGET       ADDRESS           ZONE  STATE      OUTSTANDING  IDLE  REASON
10.0.0.13    10.0.0.13:80            unhealthy            0     0  Target.FailedHealthChecks  Health checks failed
`
	var b strings.Builder
	if err := writeStatus(&b, s, now, false); err != nil {
		t.Fatal(err)
	}
	if got := "\n" + b.String(); got != want {
		t.Errorf("got%s\nwant%s", got, want)
	}
	var c strings.Builder
	if err := writeStatus(&c, s, now, true); err != nil {
		t.Fatal(err)
	}
	for _, painted := range []string{green + "ready" + reset, red + "unhealthy" + reset + " ", green + "healthy" + reset + "   "} {
		if !strings.Contains(c.String(), painted) {
			t.Errorf("in colour, %q is missing:\n%q", painted, c.String())
		}
	}
	plainAgain := c.String()
	for _, seq := range []string{bold, red, green, yellow, faint, reset} {
		plainAgain = strings.ReplaceAll(plainAgain, seq, "")
	}
	if plainAgain != b.String() {
		t.Errorf("colours change more than the colour:\n%s", plainAgain)
	}
}

func TestAgo(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		now := time.Unix(1e9, 0)
		if got := ago(now, now.Add(-d)); got != want {
			t.Errorf("%v ago: %q, want %q", d, got, want)
		}
	}
	f(-time.Second, "0s") // the daemon's clock is ours, but it may have been set
	f(0, "0s")
	f(1900*time.Millisecond, "1s")
	f(61*time.Second, "1m1s")
	f(47*time.Hour+59*time.Minute, "47h59m")
	f(48*time.Hour, "2d0h")
}

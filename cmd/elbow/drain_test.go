package main

import (
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// draining waits until the daemon says that it drains.
func (l *lb) draining() {
	l.t.Helper()
	eventually(l.t, "/readyz says draining", func() bool {
		r, err := l.api.Ready(l.t.Context())
		return err == nil && !r.Ready && r.Reason == "draining"
	})
}

// refuses waits until the daemon accepts no connections any more.
func (l *lb) refuses() {
	l.t.Helper()
	addr := strings.TrimPrefix(l.url(), "http://")
	eventually(l.t, "connections are refused", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

// Requirement: after SIGTERM the daemon is not ready at once and accepts nothing
// new; a request in flight is answered; the exit code is 0.
func TestDrain(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			g := newGate()
			l := startLB(t, g, nil)
			slow := l.slow(g)
			l.signal(s)
			l.draining()
			l.refuses()
			elbow(t, "healthcheck", "--socket", l.socket()).want(exitFailure, "", "not ready: draining")
			elbow(t, "reload", "--socket", l.socket()).want(exitFailure, "", "shutting down")
			close(g.open)
			if a := <-slow; a.err != nil || a.code != 200 || a.body != "hello" {
				t.Errorf("the request in flight: %+v", a)
			}
			l.want(exitOK, "", "drained")
		})
	}
}

// Requirement: a second signal ends the process at once.
func TestSecondSignal(t *testing.T) {
	g := newGate()
	l := startLB(t, g, nil)
	slow := l.slow(g)
	l.signal(syscall.SIGTERM)
	l.draining()
	l.signal(syscall.SIGTERM)
	l.want(exitFailure, "", "ended by a second signal")
	// Both connections are cut; that of the target may be first, and then there is
	// still somebody to tell.
	if a := <-slow; a.err == nil && a.code != http.StatusBadGateway {
		t.Errorf("the request was answered: %+v", a)
	}
}

// Requirement: logs can be rotated during a drain, which may take long; a reload
// does nothing.
func TestSignalsWhileDraining(t *testing.T) {
	g := newGate()
	l := startLB(t, g, nil)
	slow := l.slow(g)
	l.signal(syscall.SIGTERM)
	l.draining()
	l.signal(syscall.SIGHUP)
	l.signal(syscall.SIGUSR1)
	eventually(t, "the log is opened anew", func() bool { return strings.Contains(l.stderr.String(), "access log opened anew") })
	close(g.open)
	if a := <-slow; a.err != nil || a.code != 200 {
		t.Errorf("the request in flight: %+v", a)
	}
	l.want(exitOK, "", "drained")
}

// Requirement: a drain that takes longer than --drain-timeout ends with 6.
func TestDrainTimeout(t *testing.T) {
	g := newGate()
	l := startLB(t, g, nil, "--drain-timeout", "50ms")
	slow := l.slow(g)
	l.signal(syscall.SIGTERM)
	l.want(exitTimeout, "", "1 request")
	<-slow
}

// Requirement: for --drain-delay the daemon goes on accepting while /readyz
// fails.
func TestDrainDelay(t *testing.T) {
	l := startLB(t, hello, nil, "--drain-delay", "1h")
	l.signal(syscall.SIGTERM)
	l.draining()
	if code, body, err := l.get("/"); err != nil || code != 200 || body != "hello" {
		t.Errorf("a request during the delay: %d %q %v", code, body, err)
	}
	l.signal(syscall.SIGINT)
	l.want(exitFailure, "", "second signal")

	l = startLB(t, hello, nil, "--drain-delay", "20ms")
	l.signal(syscall.SIGTERM)
	l.want(exitOK, "", "drained")
}

package main

import (
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manager is a service manager that listens.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T) (*manager, string) {
	t.Helper()
	path := filepath.Join(shortDir(t), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{t, conn}, path
}

// next returns the next message.
func (m *manager) next() string {
	m.t.Helper()
	m.conn.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 4096)
	n, err := m.conn.Read(b)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(b[:n])
}

// expect reads until a state is told, past lines that only tell the status, and
// matches it with a pattern.
func (m *manager) expect(pattern string) {
	m.t.Helper()
	got := m.next()
	for strings.HasPrefix(got, "STATUS=") {
		got = m.next()
	}
	if !regexp.MustCompile("^(?:" + pattern + ")$").MatchString(got) {
		m.t.Errorf("told %q, want %s", got, pattern)
	}
}

// Requirement: the service manager is told READY once the daemon is, RELOADING
// with the time around a reload, also one that is rejected, and STOPPING; never
// READY after that. sd_notify(3), systemd.service(5) Type=notify-reload.
func TestNotify(t *testing.T) {
	m, path := newManager(t)
	g := newGate()
	l := startLB(t, g, []string{"NOTIFY_SOCKET=" + path})
	m.expect("READY=1\nSTATUS=ready: 1 listener, \\d of 1 target healthy, \\d+ connections?")
	l.write(l.text() + "# changed\n")
	m.expect("RELOADING=1\nMONOTONIC_USEC=[1-9]\\d+")
	m.expect("READY=1\nSTATUS=ready: .*")
	l.write("version: 2\n")
	m.expect("RELOADING=1\nMONOTONIC_USEC=[1-9]\\d+")
	m.expect("READY=1\nSTATUS=ready, last reload rejected: 1 listener, .*")
	slow := l.slow(g)
	l.signal(syscall.SIGTERM)
	m.expect("STOPPING=1\nSTATUS=draining: .*")
	elbow(t, "reload", "--socket", l.socket()).want(exitFailure, "", "shutting down")
	close(g.open)
	<-slow
	l.want(exitOK, "", "drained")
	m.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	if n, _ := m.conn.Read(make([]byte, 4096)); n != 0 {
		t.Errorf("%d bytes were told after STOPPING", n)
	}
}

// Requirement: a service manager that cannot be told does not keep the daemon
// from running.
func TestNotifyNobody(t *testing.T) {
	l := startLB(t, hello, []string{"NOTIFY_SOCKET=" + filepath.Join(shortDir(t), "nobody")})
	l.signal(syscall.SIGTERM)
	l.want(exitOK, "", "the service manager cannot be told")
}

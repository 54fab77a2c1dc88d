package system

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// daemon is a running `elbow run`.
type daemon struct {
	*process
	dir    string
	config string // its path
	port   int    // of the main listener, on 127.0.0.1
	addr   string // the same as host:port
	admin  *http.Client
}

// start runs the daemon with the configuration that render returns for the
// listener's port. It is ready, and its targets have been checked, when start
// returns. At the end of the test it must drain and exit with 0, unless the test
// has ended it.
func start(t *testing.T, render func(d *daemon) string) *daemon {
	t.Helper()
	return startUnder(t, nil, render)
}

// startUnder starts the daemon by another command, such as a shell that sets
// limits, to which the daemon's own is appended.
func startUnder(t *testing.T, by []string, render func(d *daemon) string, flags ...string) *daemon {
	t.Helper()
	argv := append(append(by, elbow, "run"), flags...)
	for range 5 {
		d := &daemon{dir: t.TempDir(), port: freePort(t)}
		d.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(d.port))
		d.config = filepath.Join(d.dir, "elbow.yaml")
		socket := filepath.Join(d.dir, "a.sock")
		d.admin = &http.Client{
			Timeout: patience,
			Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			}},
		}
		d.write(t, render(d))
		d.process = spawn(t, "elbow", exec.Command(argv[0], append(argv[1:len(argv):len(argv)], "--config", d.config)...), syscall.SIGKILL)
		ready := false
		eventually(t, "elbow is ready", func() bool {
			ready = d.get("/readyz", nil) == http.StatusOK
			return ready || !d.running()
		})
		if !ready {
			if code := d.exit(t); code == 4 {
				continue // somebody was faster to take the port
			} else {
				t.Fatalf("elbow ended with %d:\n%s", code, d.output.tail(4<<10))
			}
		}
		t.Cleanup(func() { d.finish(t) })
		d.checked(t)
		return d
	}
	t.Fatal("no port stays free long enough")
	return nil
}

// finish ends the daemon as a service manager would and holds it to its word.
func (d *daemon) finish(t *testing.T) {
	d.admin.CloseIdleConnections()
	if d.running() {
		d.signal(t, syscall.SIGTERM)
		if code := d.exit(t); code != 0 {
			t.Errorf("elbow ended with %d on SIGTERM, want 0", code)
		}
	}
	for _, bad := range []string{"DATA RACE", "panic", "goroutine "} {
		if d.output.contains(bad) {
			t.Errorf("elbow's log has %q", bad)
			t.Logf("%s", d.output.tail(64<<10))
		}
	}
}

// write replaces the configuration as editors do: by renaming.
func (d *daemon) write(t testing.TB, text string) {
	t.Helper()
	text = fmt.Sprintf("version: 1\nadmin: {socket: a.sock}\n%s", text)
	next := d.config + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, d.config); err != nil {
		t.Fatal(err)
	}
}

// get asks the admin API; v, if not nil, is decoded from JSON. It returns the
// status, or 0 where nobody answers.
func (d *daemon) get(path string, v any) int { return d.ask(http.MethodGet, path, v) }

func (d *daemon) ask(method, path string, v any) int {
	req, err := http.NewRequest(method, "http://elbow"+path, nil)
	if err != nil {
		panic(err)
	}
	resp, err := d.admin.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	if s, ok := v.(*string); ok {
		b, _ := io.ReadAll(resp.Body)
		*s = string(b)
	} else if v != nil && json.NewDecoder(resp.Body).Decode(v) != nil {
		return 0
	}
	return resp.StatusCode
}

// status is the part of /status that tests look at.
type status struct {
	Config struct {
		Generation uint64 `json:"generation"`
		Hash       string `json:"hash"`
		LastOK     bool   `json:"last_attempt_ok"`
		LastError  string `json:"last_error"`
	} `json:"config"`
	Groups []struct {
		Name    string         `json:"name"`
		Targets []targetStatus `json:"targets"`
	} `json:"target_groups"`
}

type targetStatus struct {
	Address     string `json:"address"`
	State       string `json:"state"`
	Outstanding int    `json:"outstanding_requests"`
	Idle        int    `json:"idle_connections"`
}

func (d *daemon) status(t testing.TB) status {
	t.Helper()
	var s status
	if code := d.get("/status", &s); code != http.StatusOK {
		t.Fatalf("/status answers %d", code)
	}
	return s
}

// target returns the status of the target at addr.
func (d *daemon) target(t testing.TB, addr string) targetStatus {
	t.Helper()
	for _, g := range d.status(t).Groups {
		for _, s := range g.Targets {
			if s.Address == addr {
				return s
			}
		}
	}
	t.Fatalf("no target %s", addr)
	return targetStatus{}
}

// checked waits until the first check of every target is over.
func (d *daemon) checked(t testing.TB) {
	t.Helper()
	eventually(t, "every target is checked", func() bool {
		for _, g := range d.status(t).Groups {
			for _, s := range g.Targets {
				if s.State == "initial" {
					return false
				}
			}
		}
		return true
	})
}

// metric returns the sum of a metric's samples; false if there is none.
func (d *daemon) metric(t testing.TB, name string) (float64, bool) {
	t.Helper()
	var text string
	if code := d.get("/metrics", &text); code != http.StatusOK {
		t.Fatalf("/metrics answers %d", code)
	}
	sum, found := 0.0, false
	for _, m := range regexp.MustCompile(`(?m)^`+name+`(?:\{.*\})? (\S+)$`).FindAllStringSubmatch(text, -1) {
		if v, err := strconv.ParseFloat(m[1], 64); err == nil {
			sum, found = sum+v, true
		}
	}
	return sum, found
}

// freePort returns a port that is free on 127.0.0.1, from below those that the
// kernel gives to outgoing connections: a target that is restarted must find its
// port free.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 15000 + rand.IntN(17000)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// group renders a target group of HTTP targets.
func group(name, check string, targets ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  - name: %s\n    protocol: HTTP\n    port: 80\n    health_check: {%s}\n    targets:\n", name, check)
	for _, addr := range targets {
		host, port, _ := net.SplitHostPort(addr)
		fmt.Fprintf(&b, "      - {id: %s, port: %s}\n", host, port)
	}
	return b.String()
}

// Health checks: none, the fastest there is, and one check only.
const (
	unchecked = "enabled: false"
	often     = "path: /id, interval_seconds: 5, timeout_seconds: 4, unhealthy_threshold_count: 2, healthy_threshold_count: 2"
	once      = "path: /id, interval_seconds: 300"
)

// forward renders a configuration with one listener, whose requests all go to
// one group.
func (d *daemon) forward(groupText string) string {
	return fmt.Sprintf(`load_balancers:
  - name: web
    type: application
    listeners:
      - {protocol: HTTP, port: %d, address: 127.0.0.1, default_actions: [{type: forward, target_group: main}]}
target_groups:
%s`, d.port, groupText)
}

// simple starts a daemon in front of targets.
func simple(t *testing.T, check string, targets ...string) *daemon {
	t.Helper()
	return start(t, func(d *daemon) string { return d.forward(group("main", check, targets...)) })
}

// dial connects to the daemon.
func (d *daemon) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", d.addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { c.Close() })
	return c
}

package system

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openFiles runs what follows with a limit of n open files.
func openFiles(n int) []string {
	return []string{"/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, n)}
}

// cpu is the processor time that the process has used.
func (p *process) cpu(t testing.TB) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest) // from field 3, the state, on
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err1 != nil || err2 != nil {
		t.Fatalf("/proc/PID/stat is %q", text)
	}
	return time.Duration(user+system) * time.Second / 100 // USER_HZ
}

// A daemon that may have 1024 descriptors, and is wanted by 5,000 clients that say
// nothing: it keeps some for itself, waits without spinning, and is back as soon as
// they have gone.
func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	clients := scaled(5_000)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if int(min(limit.Cur, 1<<20)) < clients+1000 {
		t.Skipf("%d descriptors allowed, %d needed (ulimit -n)", limit.Cur, clients+1000)
	}
	g := startGo(t, targetOptions{id: "t"})
	d := startUnder(t, openFiles(1024), func(d *daemon) string { return d.forward(group("main", often, g.addr)) })

	// Those that get no place in the accept queue do not get through to begin with.
	conns := make([]net.Conn, clients)
	var dialing sync.WaitGroup
	dialers := make(chan struct{}, 200)
	for i := range conns {
		dialers <- struct{}{}
		dialing.Go(func() {
			conns[i], _ = net.DialTimeout("tcp", d.addr, 500*time.Millisecond)
			<-dialers
		})
	}
	dialing.Wait()
	connected := 0
	for _, c := range conns {
		if c != nil {
			connected++
		}
	}
	eventually(t, "accepting pauses", func() bool {
		n, _ := d.metric(t, "elbow_accept_failures_total")
		return n > 0
	})
	accepted, _ := d.metric(t, "elbow_active_connections")

	// While it is full: no spinning, and the admin API answers.
	const while = 3 * time.Second
	before, began, slowest := d.cpu(t), time.Now(), time.Duration(0)
	for time.Since(began) < while {
		d.admin.CloseIdleConnections() // a new connection each time
		asked := time.Now()
		if code := d.get("/readyz", nil); code != http.StatusOK {
			t.Fatalf("/readyz answers %d", code)
		}
		slowest = max(slowest, time.Since(asked))
		time.Sleep(100 * time.Millisecond) // how often somebody asks, not a way to wait
	}
	share := float64(d.cpu(t)-before) / float64(time.Since(began))
	if !raced && share > 0.2 {
		t.Errorf("%.0f %% of a processor while full, want at most 20 %%", 100*share)
	}

	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
	gone := time.Now()
	c := client{addr: d.addr}
	defer c.close()
	for {
		c.close()
		if a, err := c.do(http.MethodGet, get("/id"), true); err == nil && a.status == http.StatusOK {
			break
		}
		if time.Since(gone) > 5*time.Second {
			t.Fatal("no request is served 5 s after the clients have gone")
		}
	}
	t.Logf("R14: %d clients, %d connected, %.0f accepted with 1024 descriptors; while full %.1f %% of a processor, /readyz within %v; served %v after they had gone",
		clients, connected, accepted, 100*share, slowest.Round(time.Millisecond), time.Since(gone).Round(time.Millisecond))
}

// A daemon that may not have the descriptors that its configuration asks for does
// not start, and says what to do.
func TestTooFewDescriptors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := dir + "/elbow.yaml"
	text := fmt.Sprintf(`version: 1
admin: {socket: a.sock}
load_balancers:
  - name: web
    type: application
    listeners:
      - protocol: HTTP
        port: %d
        address: 127.0.0.1
        attributes: {elbow.max_connections: 1000}
        default_actions: [{type: fixed-response, status_code: "200"}]
`, freePort(t))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	argv := append(openFiles(1024), elbow, "run", "--config", path)
	p := spawn(t, "elbow", exec.Command(argv[0], argv[1:]...), unix.SIGKILL)
	if code := p.exit(t); code != 3 {
		t.Errorf("ended with %d, want 3", code)
	}
	if !p.output.contains("raise the limit") {
		t.Errorf("it does not say what to do:\n%s", p.output.tail(4<<10))
	}
}

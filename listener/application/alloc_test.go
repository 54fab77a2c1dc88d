package application_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/balancer/sticky"
	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
	"github.com/elbow-lb/elbow/internal/accesslog"
	"github.com/elbow-lb/elbow/internal/connpool"
	"github.com/elbow-lb/elbow/internal/metrics"
	"github.com/elbow-lb/elbow/internal/netio"
	"github.com/elbow-lb/elbow/listener"
	"github.com/elbow-lb/elbow/listener/application"
)

// rig is a data plane on loopback, assembled as internal/control does it but
// without probes and reloads.
type rig struct {
	t      testing.TB
	engine *netio.Engine
	server *application.Server
	live   balancer.Live
	addr   string
	log    string // path of the access log
	access *accesslog.Log
	reg    *metrics.Registry
	keys   *sticky.Keys
	panics atomic.Int32 // that are expected
}

// newRig serves conf, in which %d is the listener's port, and %s the target's
// address as host and port fields of a target.
func newRig(t testing.TB, conf string, target net.Addr) *rig {
	t.Helper()
	r := &rig{t: t, log: t.TempDir() + "/access.log", keys: sticky.NewKeys()}
	var err error
	r.engine, err = netio.New(netio.Options{Loops: 1, OnPanic: func(w *netio.Worker, k netio.Task, v any) {
		r.server.OnPanic(w, k, v)
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.reg = metrics.New(1, metrics.Options{Reasons: application.Reasons()})
	r.server = application.NewServer(r.engine.Epoch, &r.live, func(v any, stack []byte) {
		if r.panics.Add(-1) < 0 {
			t.Errorf("panic: %v\n%s", v, stack)
		}
	})
	r.access, err = accesslog.Open(accesslog.Options{Path: r.log, Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	r.server.SetAccessLog(r.access)
	set := listener.NewSet(r.engine, r.server.Accept)
	ta := netip.MustParseAddrPort(target.String())
	for range 10 { // another process may take the free port first
		port := freePort(t)
		m, diags := config.Parse("test.yaml", fmt.Appendf(nil, conf, port, ta.Addr(), ta.Port()), nil)
		if m == nil {
			t.Fatal(diags)
		}
		r.addr = fmt.Sprintf("127.0.0.1:%d", port)
		next := balancer.Compile(m, nil, r.env())
		var change *listener.Change
		if change, err = set.Prepare(next.Binds); err != nil {
			continue
		}
		r.live.Swap(next)
		if err = change.Commit(); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		set.Close()
		r.engine.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		r.access.Close(ctx)
	})
	return r
}

func (r *rig) env() balancer.Env {
	return balancer.Env{
		Sticky: r.keys,
		NewTargetState: func(k balancer.Key, g *config.TargetGroup, _ *config.Target) *balancer.TargetState {
			s := &balancer.TargetState{
				Conns: connpool.New(k.Addr, 1, connpool.Options{MaxIdle: 64, IdleTimeout: time.Minute}),
			}
			s.Health.Store(health.Status{State: health.StateHealthy})
			return s
		},
		ListenerMetrics: func(l *config.Listener) *metrics.Listener { return r.reg.Listener(l.LoadBalancer.Name, "HTTP") },
		GroupMetrics:    func(g *config.TargetGroup) *metrics.Group { return r.reg.Group(g.Name) },
		TargetMetrics: func(k balancer.Key, _ *config.Target) *metrics.Target {
			return r.reg.Target(k.Group, k.Addr.String(), "")
		},
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// oneGroup is a listener with rules in front of one group.
const oneGroup = `
version: 1
load_balancers:
  - name: web
    type: application
    listeners:
      - protocol: HTTP
        port: %d
        address: 127.0.0.1
        default_actions: [{type: forward, target_group: web}]
        rules:
          - priority: 1
            conditions: [{field: host-header, values: ["*.example.com"]}, {field: path-pattern, values: ["/api/*"]}]
            actions: [{type: forward, target_group: web}]
          - priority: 2
            conditions: [{field: path-pattern, values: ["/old/*"]}]
            actions: [{type: redirect, path: "/new", status_code: HTTP_301}]
target_groups:
  - name: web
    protocol: HTTP
    port: 80
    targets: [{id: "%s", port: %d}]
`

// cheapTarget answers every request with the same bytes, without allocating.
func cheapTarget(t testing.TB, response string) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	answer := []byte(response)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 64<<10)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr()
}

// TestNoAllocations pins the promise that a request in steady state allocates
// nothing, with rules, metrics and the access log on.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops buffers at random under the race detector")
	}
	target := cheapTarget(t, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello")
	r, stuck := newRig(t, oneGroup, target), newRig(t, oneGroup+"    attributes: {stickiness.enabled: true}\n", target)
	f := func(name, addr, request string, want int) {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			buf, send := make([]byte, 64<<10), []byte(request)
			roundTrip := func() {
				if _, err := c.Write(send); err != nil {
					t.Fatal(err)
				}
				n, err := io.ReadAtLeast(c, buf, want)
				if err != nil || n != want {
					t.Fatalf("%d bytes, %v: %q", n, err, buf[:n])
				}
			}
			for range 100 {
				roundTrip()
			}
			var before, after runtime.MemStats
			const n = 2000
			least := uint64(1 << 62)
			// The runtime and the log's writer allocate now and then; what
			// requests allocate shows in every round.
			for range 3 {
				runtime.ReadMemStats(&before)
				for range n {
					roundTrip()
				}
				runtime.ReadMemStats(&after)
				least = min(least, after.Mallocs-before.Mallocs)
			}
			if least > n/20 {
				t.Errorf("%d allocations in %d requests, want none per request", least, n)
			}
		})
	}
	short := len("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
	f("get", r.addr, "GET /api/x?y=z HTTP/1.1\r\nHost: a.example.com\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n", short)
	f("forwarded", r.addr, "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\nX-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678\r\nConnection: keep-alive\r\n\r\n", short)
	f("post", r.addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", short)
	f("chunked", r.addr, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", short)

	res, err := http.Get("http://" + stuck.addr)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	both := short
	for _, line := range res.Header["Set-Cookie"] {
		both += len("Set-Cookie: \r\n") + len(line)
	}
	modified := newRig(t, strings.Replace(oneGroup, "      - protocol: HTTP\n", "      - protocol: HTTP\n        attributes: {routing.http.response.x_frame_options.header_value: DENY}\n", 1), target)
	f("modified", modified.addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", short+len("X-Frame-Options: DENY\r\n"))
	f("sticky", stuck.addr, "GET / HTTP/1.1\r\nHost: x\r\nCookie: session=1; AWSALB="+res.Cookies()[0].Value+"\r\n\r\n", both)
}

// TestRoundTrip is a Go client through the load balancer to a Go server.
func TestRoundTrip(t *testing.T) {
	var seen atomic.Pointer[http.Request]
	target := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		seen.Store(q)
		// Without it Go's server ends the body when the response begins.
		http.NewResponseController(w).EnableFullDuplex()
		n, _ := io.Copy(w, q.Body)
		if n == 0 {
			io.WriteString(w, "hello")
		}
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go target.Serve(l)
	defer target.Close()
	r := newRig(t, oneGroup, l.Addr())

	res, err := http.Get("http://" + r.addr + "/x")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != "hello" || res.StatusCode != 200 {
		t.Fatalf("%v %q %v", res.Status, body, err)
	}
	if got := seen.Load().Header.Get("X-Forwarded-For"); got != "127.0.0.1" {
		t.Errorf("X-Forwarded-For %q", got)
	}
	for _, size := range []int{10, 100_000, 10 << 20} {
		for _, chunked := range []bool{false, true} {
			pr, pw := io.Pipe()
			go func() {
				w := bufio.NewWriter(pw)
				for i := range size {
					w.WriteByte(byte(i % 251))
				}
				w.Flush()
				pw.Close()
			}()
			q, _ := http.NewRequest("POST", "http://"+r.addr+"/", pr)
			if !chunked {
				q.ContentLength = int64(size)
			}
			res, err := http.DefaultClient.Do(q)
			if err != nil {
				t.Fatal(size, chunked, err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || len(body) != size {
				t.Fatalf("size %d chunked %v: got %d bytes, %v", size, chunked, len(body), err)
			}
			for i := range body {
				if body[i] != byte(i%251) {
					t.Fatalf("size %d chunked %v: byte %d differs", size, chunked, i)
				}
			}
		}
	}
}

package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/control"
	"github.com/elbow-lb/elbow/internal/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a Controller that answers what a test says.
type fake struct {
	status   control.Status
	snapshot *balancer.Snapshot
	metrics  *metrics.Registry
	reload   func(context.Context) error
	reopen   error

	overrides control.Overrides
	cleared   control.TargetRef
	refuse    error
	reopened  atomic.Int32
}

func (f *fake) Status() control.Status       { return f.status }
func (f *fake) Overrides() control.Overrides { return f.overrides }
func (f *fake) OverrideTarget(_ context.Context, action control.TargetAction, ref control.TargetRef) (control.Overrides, error) {
	f.overrides.Targets = append(f.overrides.Targets, control.TargetOverride{Action: action, TargetRef: ref})
	return f.overrides, f.refuse
}
func (f *fake) ClearOverrides(_ context.Context, ref control.TargetRef) (control.Overrides, error) {
	f.cleared = ref
	return control.Overrides{}, f.refuse
}
func (f *fake) Ready() bool                  { return f.status.Ready }
func (f *fake) Snapshot() *balancer.Snapshot { return f.snapshot }
func (f *fake) Metrics() *metrics.Registry   { return f.metrics }
func (f *fake) ReopenLogs() error            { f.reopened.Add(1); return f.reopen }
func (f *fake) Reload(ctx context.Context) error {
	if f.reload == nil {
		return nil
	}
	return f.reload(ctx)
}

// ready returns a controller with a configuration in force.
func ready() *fake {
	return &fake{
		metrics:  metrics.New(1, metrics.Options{Version: "v1"}),
		snapshot: &balancer.Snapshot{Generation: 7, Model: &config.Model{Hash: "0123456789abcdef", Files: []string{"/etc/elbow/elbow.yaml"}}},
		status: control.Status{
			Version: "v1", Ready: true, Started: time.Unix(1e9, 0),
			Config: control.ConfigStatus{Generation: 7, Hash: "0123456789abcdef", LastOK: true},
			LoadBalancers: []control.LoadBalancerStatus{{
				Name: "web", Type: "application",
				Listeners: []control.ListenerStatus{{Protocol: "HTTP", Port: 80, Addresses: []netip.AddrPort{netip.MustParseAddrPort("[::]:80")}, Rules: 2}},
			}},
			TargetGroups: []control.TargetGroupStatus{{
				Name: "<script>", Protocol: "HTTP", Algorithm: "round_robin",
				Targets: []control.TargetStatus{{
					ID: "10.0.0.1", Address: netip.MustParseAddrPort("10.0.0.1:80"), State: "unhealthy",
					Reason: "Target.Timeout", Description: "Request timed out",
				}},
			}},
		},
	}
}

// socketPath returns a path short enough for a socket, whatever TMPDIR is.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "admin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "run", "admin.sock")
}

// serve starts a server on a socket and on TCP.
func serve(t *testing.T, c Controller) (socket, tcp string) {
	t.Helper()
	s, err := Listen(Options{Socket: socketPath(t), Listen: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(c)
	t.Cleanup(s.Close)
	return s.Socket(), s.Addrs()[1].String()
}

// exchange sends a request to a path on a socket or, if it begins with http, to
// a URL, and returns the answer.
func exchange(t *testing.T, socket, method, url string, header map[string]string) (*http.Response, string) {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	if !strings.HasPrefix(url, "http") {
		url = "http://anything.example" + url
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		if k == "Host" {
			req.Host = v
		}
		req.Header.Set(k, v)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestEndpoints(t *testing.T) {
	c := ready()
	socket, _ := serve(t, c)
	for _, x := range []struct {
		method, path string
		code         int
		body         string // part of it
	}{
		{"GET", "/healthz", 200, `"status": "ok"`},
		{"HEAD", "/healthz", 200, ""},
		{"GET", "/readyz", 200, `"ready": true`},
		{"GET", "/status", 200, `"reason": "Target.Timeout"`},
		{"GET", "/config", 200, `"/etc/elbow/elbow.yaml"`},
		{"GET", "/metrics", 200, `elbow_build_info`},
		{"GET", "/", 200, `"path": "/reopen-logs"`},
		{"POST", "/reload", 200, `"generation": 7`},
		{"POST", "/explain", 400, `"reason": "bad_question"`},
		{"POST", "/reopen-logs", 200, `"reopened": true`},
		{"GET", "/reload", 405, `"reason": "method_not_allowed"`},
		{"DELETE", "/status", 405, `"error": "/status takes GET, not DELETE"`},
		{"GET", "/nothing", 404, `"path": "/metrics"`},
		{"GET", "/status/", 404, `"reason": "not_found"`},
	} {
		resp, body := exchange(t, socket, x.method, x.path, nil)
		if resp.StatusCode != x.code || !strings.Contains(body, x.body) {
			t.Errorf("%s %s: %d, want %d with %q in\n%s", x.method, x.path, resp.StatusCode, x.code, x.body, body)
		}
		if x.code == 405 && resp.Header.Get("Allow") == "" {
			t.Errorf("%s %s: 405 without Allow", x.method, x.path)
		}
		if x.path != "/metrics" && x.method != "HEAD" && !json.Valid([]byte(body)) {
			t.Errorf("%s %s: not JSON: %s", x.method, x.path, body)
		}
	}
	if c.reopened.Load() != 1 {
		t.Errorf("ReopenLogs called %d times, want 1", c.reopened.Load())
	}
}

func TestReadiness(t *testing.T) {
	f := func(c *fake, want string) {
		t.Helper()
		socket, _ := serve(t, c)
		resp, body := exchange(t, socket, "GET", "/readyz", nil)
		if resp.StatusCode != 503 || !strings.Contains(body, want) {
			t.Errorf("%d %s, want 503 and %s", resp.StatusCode, body, want)
		}
		r, err := NewClient(socket).Ready(t.Context())
		if err != nil || r.Ready || !strings.Contains(want, r.Reason) {
			t.Errorf("client: %+v, %v, want %s", r, err, want)
		}
	}
	starting := ready()
	starting.snapshot, starting.status.Ready = nil, false
	starting.status.Config = control.ConfigStatus{}
	f(starting, `"reason": "starting"`)
	socket, _ := serve(t, starting)
	if _, body := exchange(t, socket, "GET", "/config", nil); !strings.Contains(body, `"files": []`) {
		t.Errorf("/config while starting: %s", body)
	}
	if resp, body := exchange(t, socket, "GET", "/", map[string]string{"Accept": "text/html"}); resp.StatusCode != 200 || strings.Contains(body, "0001") {
		t.Errorf("the page while starting: %d %s", resp.StatusCode, body)
	}
	draining := ready()
	draining.status.Ready, draining.status.Draining = false, true
	f(draining, `"reason": "draining"`)
}

// TestReloadRejected checks each way in which a reload is refused, as a client
// sees it.
func TestReloadRejected(t *testing.T) {
	diags := config.Diagnostics{{
		Position: config.Position{File: "elbow.yaml", Line: 3, Column: 9},
		Path:     "load_balancers[web].listeners", Message: "is missing", Snippet: "  - name: web\n    ^",
	}}
	f := func(err error, code int, want Reason) {
		t.Helper()
		c := ready()
		c.reload = func(context.Context) error { return err }
		socket, _ := serve(t, c)
		if resp, body := exchange(t, socket, "POST", "/reload", nil); resp.StatusCode != code {
			t.Errorf("%v: %d, want %d\n%s", err, resp.StatusCode, code, body)
		}
		_, got := NewClient(socket).Reload(t.Context())
		var failure *Failure
		if !errors.As(got, &failure) || failure.Reason != want || failure.Message != err.Error() {
			t.Errorf("%v: client got %#v, want reason %s", err, got, want)
			return
		}
		if want == ReasonInvalidConfiguration {
			if ds := failure.Config(); len(ds) != 1 || ds[0] != diags[0] {
				t.Errorf("diagnostics became %+v", ds)
			}
		}
	}
	f(diags, 422, ReasonInvalidConfiguration)
	f(&control.BindError{Err: errors.New("cannot listen on :80")}, 422, ReasonCannotBind)
	f(errors.New("access_log.file: no such directory"), 422, ReasonCannotApply)
	f(fmt.Errorf("access_log.file: %w", fs.ErrPermission), 422, ReasonNoPermission)
	f(control.ErrEnding, 503, ReasonDraining)
}

// TestReloadOutlivesClient checks that a client that goes away does not cancel
// the reload that it asked for.
func TestReloadOutlivesClient(t *testing.T) {
	c := ready()
	begun, gone, ended := make(chan bool), make(chan bool), make(chan error, 1)
	c.reload = func(ctx context.Context) error {
		close(begun)
		<-gone
		ended <- ctx.Err()
		return nil
	}
	socket, _ := serve(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	if _, err := NewClient(socket).Reload(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("client: %v, want canceled", err)
	}
	close(gone)
	if err := <-ended; err != nil {
		t.Errorf("the reload's context: %v", err)
	}
}

func TestReopenLogsFails(t *testing.T) {
	c := ready()
	c.reopen = errors.New("no space left on device")
	socket, _ := serve(t, c)
	resp, body := exchange(t, socket, "POST", "/reopen-logs", nil)
	if resp.StatusCode != 500 || !strings.Contains(body, `"error": "no space left on device"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestPage(t *testing.T) {
	c := ready()
	c.status.Config.LastOK, c.status.Config.LastError = false, "elbow.yaml:1:1: <b>wrong</b>"
	socket, _ := serve(t, c)
	resp, body := exchange(t, socket, "GET", "/", map[string]string{"Accept": "text/html,*/*"})
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("%d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("Content-Security-Policy: %q", csp)
	}
	for _, want := range []string{
		"HTTP:80", "[::]:80", "10.0.0.1:80", "Target.Timeout", "Request timed out", `href="/metrics"`,
		"generation 7 stays in force", "&lt;b&gt;wrong&lt;/b&gt;", "&lt;script&gt;",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, never := range []string{"<script>", "<b>wrong"} {
		if strings.Contains(body, never) {
			t.Errorf("the page has %q", never)
		}
	}
}

func TestClientUnreachable(t *testing.T) {
	path := socketPath(t)
	_, err := NewClient(path, path+"2").Reload(t.Context())
	var u *Unreachable
	if !errors.As(err, &u) || len(u.Errs) != 2 || !strings.Contains(err.Error(), path+"2") {
		t.Errorf("got %v", err)
	}
	// The second path is asked when nothing answers at the first.
	socket, _ := serve(t, ready())
	if _, _, err := NewClient(path, socket).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestClientTimeout(t *testing.T) {
	c := ready()
	release := make(chan bool)
	c.reload = func(context.Context) error { <-release; return nil }
	socket, _ := serve(t, c)
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := NewClient(socket).Reload(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestClientStranger checks what is said of something else that listens there.
func TestClientStranger(t *testing.T) {
	path := socketPath(t)
	l, err := listenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.NotFoundHandler()}
	go s.Serve(l)
	defer s.Close()
	if _, _, err := NewClient(path).Status(t.Context()); err == nil || !strings.Contains(err.Error(), "is this the admin socket of elbow?") {
		t.Errorf("got %v", err)
	}
}

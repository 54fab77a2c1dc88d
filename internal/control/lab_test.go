package control

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/resolve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// lab is a Controller whose configuration is a string.
type lab struct {
	*testing.T
	*Controller
	text atomic.Pointer[string]
	port int // for listeners
}

// newLab starts a Controller without a configuration. opt may be the zero value.
func newLab(t *testing.T, opt Options) *lab {
	t.Helper()
	l := &lab{T: t, port: freePort(t)}
	opt.Load = func() (*config.Model, config.Diagnostics) {
		return config.Parse("elbow.yaml", []byte(*l.text.Load()), nil)
	}
	if opt.Loops == 0 {
		opt.Loops = 2
	}
	if len(opt.Resolver.Servers) == 0 {
		opt.Resolver = resolve.Options{Servers: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}}
	}
	opt.Resolver.Hosts = filepath.Join(t.TempDir(), "hosts")
	var err error
	if l.Controller, err = New(opt); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Controller.Close)
	return l
}

// reload makes text the configuration.
func (l *lab) reload(text string) error {
	l.text.Store(&text)
	return l.Reload(l.Context())
}

// must reloads and settles.
func (l *lab) must(text string) {
	l.Helper()
	if err := l.reload(text); err != nil {
		l.Fatalf("reload: %v\n%s", err, text)
	}
	l.settle()
}

func (l *lab) settle() {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.Context(), patience)
	defer cancel()
	if err := l.Settle(ctx); err != nil {
		l.Fatal(err)
	}
}

// forward is a configuration with a listener that forwards to one group.
func (l *lab) forward(targets ...string) string {
	return l.listener("{type: forward, target_group: web}") + group("web", targets...)
}

func (l *lab) listener(action string) string { return listenerOn(l.port, action) }

func listenerOn(port int, action string) string {
	return fmt.Sprintf(`version: 1
load_balancers:
  - name: web
    type: application
    listeners:
      - {protocol: HTTP, address: 127.0.0.1, port: %d, default_actions: [%s]}
target_groups:
`, port, action)
}

// group is a target group; a target is host:port.
func group(name string, targets ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  - name: %s\n    protocol: HTTP\n    port: 80\n    targets:\n", name)
	for _, t := range targets {
		host, port, _ := net.SplitHostPort(t)
		fmt.Fprintf(&b, "      - {id: %q, port: %s}\n", host, port)
	}
	return b.String()
}

// target is an HTTP server that says who it is. A request for /hold is answered
// when it is released.
type target struct {
	*http.Server
	addr    string
	held    chan struct{} // a request is held
	release chan struct{}
	serving sync.WaitGroup
}

func newTarget(t *testing.T, name, addr string) *target {
	t.Helper()
	s := &target{held: make(chan struct{}, 100), release: make(chan struct{})}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	s.Server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/hold" {
			s.held <- struct{}{}
			<-s.release
		}
		io.WriteString(w, name)
	})}
	s.serving.Go(func() { s.Serve(l) })
	t.Cleanup(func() {
		s.Server.Close()
		s.serving.Wait()
	})
	return s
}

// client is one connection.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (l *lab) dial() *client {
	l.Helper()
	c, err := dialTo(l.T, l.port)
	if err != nil {
		l.Fatal(err)
	}
	return c
}

func dialTo(t testing.TB, port int) (*client, error) {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), patience)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &client{t, c, bufio.NewReader(c)}, nil
}

func (c *client) send(path string) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		c.t.Error(err)
	}
}

// receive reads a response. last says that the connection ends with it.
func (c *client) receive() (status int, body string, last bool, err error) {
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, "", true, err
	}
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), res.Close, err
}

// get sends a request and expects its response.
func (c *client) get(path string, wantStatus int, wantBody string) {
	c.t.Helper()
	c.send(path)
	c.want(wantStatus, wantBody)
}

func (c *client) want(status int, body string) {
	c.t.Helper()
	s, b, _, err := c.receive()
	if err != nil || s != status || body != "*" && b != body {
		c.t.Errorf("got %d %q, %v; want %d %q", s, b, err, status, body)
	}
}

func (l *lab) refused(port int) {
	l.Helper()
	if _, err := dialTo(l.T, port); err == nil {
		l.Errorf("port %d is listened on", port)
	}
}

// await polls until cond holds.
func (l *lab) await(what string, cond func() bool) {
	l.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			l.Fatalf("gave up waiting: %s; %+v", what, l.Status())
		}
	}
}

// series returns the lines of the exposition that have all of the words.
func (l *lab) series(words ...string) (out []string) {
	l.Helper()
	families, err := l.Metrics().Gatherer().Gather()
	if err != nil {
		l.Fatal(err)
	}
	for _, f := range families {
	next:
		for _, m := range f.GetMetric() {
			line := f.GetName() + " " + m.String()
			for _, w := range words {
				if !strings.Contains(line, w) {
					continue next
				}
			}
			out = append(out, line)
		}
	}
	return out
}

// state is the state of each target by its id and port.
func (l *lab) state() map[string]string {
	out := map[string]string{}
	for _, g := range l.Status().TargetGroups {
		for _, t := range g.Targets {
			out[t.Address.String()] = t.State
		}
	}
	return out
}

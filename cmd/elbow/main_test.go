package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/elbow-lb/elbow/api/admin"
)

// beElbow, in the environment, makes the test binary be the program: what these
// tests start is then built with what the tests are built with, the race detector
// for one, and needs no build of its own.
const beElbow = "ELBOW_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(beElbow) != "" {
		main()
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for what must happen; far longer than it
// takes.
const patience = 30 * time.Second

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain until %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// output collects what a process writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// process is a running elbow.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr output
	ended          chan struct{} // closed when it has
}

// start starts elbow. env is added to the environment, less what would make the
// machine's own daemon part of the test.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], args...), ended: make(chan struct{})}
	for _, v := range os.Environ() {
		switch name, _, _ := strings.Cut(v, "="); name {
		case "NOTIFY_SOCKET", "ELBOW_SOCKET", "XDG_RUNTIME_DIR", "GOMEMLIMIT":
		default:
			p.cmd.Env = append(p.cmd.Env, v)
		}
	}
	// The race detector sleeps a second before each exit otherwise.
	p.cmd.Env = append(append(p.cmd.Env, beElbow+"=1", "GORACE=atexit_sleep_ms=0"), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("elbow %s\nstdout:\n%s\nstderr:\n%s", strings.Join(args, " "), &p.stdout, &p.stderr)
		}
	})
	return p
}

// elbow runs a command that ends by itself.
func elbow(t *testing.T, args ...string) *process {
	t.Helper()
	p := start(t, nil, args...)
	p.code()
	return p
}

// code waits for the end and returns the exit code.
func (p *process) code() int {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("elbow %v has not ended", p.cmd.Args[1:])
		return -1
	}
}

// want checks exit code and a part of what was written.
func (p *process) want(code int, stdout, stderr string) {
	p.t.Helper()
	if got := p.code(); got != code {
		p.t.Errorf("elbow %v: exit code %d, want %d", p.cmd.Args[1:], got, code)
	}
	if !strings.Contains(p.stdout.String(), stdout) {
		p.t.Errorf("elbow %v: stdout lacks %q:\n%s", p.cmd.Args[1:], stdout, &p.stdout)
	}
	if !strings.Contains(p.stderr.String(), stderr) {
		p.t.Errorf("elbow %v: stderr lacks %q:\n%s", p.cmd.Args[1:], stderr, &p.stderr)
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// lb is a running daemon with a configuration of its own.
type lb struct {
	*process
	dir    string // holds elbow.yaml, admin.sock and access.log
	port   int
	target string // port of the target
	api    *admin.Client
}

func (l *lb) config() string { return filepath.Join(l.dir, "elbow.yaml") }
func (l *lb) socket() string { return filepath.Join(l.dir, "admin.sock") }
func (l *lb) url() string    { return fmt.Sprintf("http://127.0.0.1:%d", l.port) }

// text is a configuration of one listener and one target.
func (l *lb) text() string {
	return fmt.Sprintf(`version: 1
load_balancers:
  - name: web
    type: application
    listeners:
      - protocol: HTTP
        address: 127.0.0.1
        port: %d
        default_actions: [{type: forward, target_group: web}]
target_groups:
  - name: web
    protocol: HTTP
    port: %s
    targets: [{id: 127.0.0.1}]
admin: {socket: admin.sock}
access_log: {file: %s}
`, l.port, l.target, filepath.Join(l.dir, "access.log"))
}

// write replaces the configuration as an editor does.
func (l *lb) write(text string) {
	l.t.Helper()
	next := l.config() + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Rename(next, l.config()); err != nil {
		l.t.Fatal(err)
	}
}

// startLB starts a daemon before target and waits until it is ready.
func startLB(t *testing.T, target http.Handler, env []string, flags ...string) *lb {
	t.Helper()
	l := &lb{dir: shortDir(t), target: startTarget(t, target)}
	l.api = admin.NewClient(l.socket())
	for range 5 { // a free port may not be free any more
		l.port = freePort(t)
		if err := os.WriteFile(l.config(), []byte(l.text()), 0o600); err != nil {
			t.Fatal(err)
		}
		l.process = start(t, env, append([]string{"run", "--config", l.config()}, flags...)...)
		ready := false
		eventually(t, "the daemon is ready or has ended", func() bool {
			r, _ := l.api.Ready(t.Context())
			ready = r.Ready
			select {
			case <-l.ended:
				return true
			default:
				return ready
			}
		})
		if ready {
			return l
		}
		if l.code() != exitBind {
			t.Fatalf("exit code %d\n%s", l.code(), &l.stderr)
		}
	}
	t.Fatal("no port stays free")
	return nil
}

// get sends a request on a connection of its own.
func (l *lb) get(path string) (int, string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Get(l.url() + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(resp.Body)
	return resp.StatusCode, b.String(), err
}

// startTarget starts a target and returns its port.
func startTarget(t *testing.T, h http.Handler) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go s.Serve(ln)
	t.Cleanup(func() { s.Close() })
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// hello is a target that answers at once.
var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })

// gate is a target that holds requests for /slow until it is opened.
type gate struct {
	reached chan struct{} // a request is held
	open    chan struct{}
}

func newGate() *gate { return &gate{make(chan struct{}, 8), make(chan struct{})} }

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/slow" {
		g.reached <- struct{}{}
		select {
		case <-g.open:
		case <-r.Context().Done():
			return
		}
	}
	fmt.Fprint(w, "hello")
}

// answer is what became of a request.
type answer struct {
	code int
	body string
	err  error
}

// slow sends a request that the gate holds, and returns once it does.
func (l *lb) slow(g *gate) <-chan answer {
	l.t.Helper()
	done := make(chan answer, 1)
	go func() {
		code, body, err := l.get("/slow")
		done <- answer{code, body, err}
	}()
	select {
	case <-g.reached:
	case a := <-done:
		l.t.Fatalf("the request was answered too early: %+v", a)
	case <-time.After(patience):
		l.t.Fatal("the request has not reached the target")
	}
	return done
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// shortDir returns a directory whose path leaves room for a socket's name,
// whatever the test is called.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "elbow")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
	return dir
}

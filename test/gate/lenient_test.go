package gate

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elbow-lb/elbow/test/lbtest"
)

// sightings collects the lines "saw TRACE METHOD TARGET" that targets print.
type sightings struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *sightings) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

// escaped is a byte as HAProxy logs it. No request target has a '#'.
var escaped = regexp.MustCompile(`#[0-9A-F]{2}`)

// requests are what was seen: trace id, method and target each.
func (s *sightings) requests() (all [][3]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(s.buf.String()) {
		if rest, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "saw "); ok {
			f := strings.SplitN(rest, " ", 3)
			for len(f) < 3 {
				f = append(f, "")
			}
			for i := range f {
				f[i] = escaped.ReplaceAllStringFunc(f[i], func(e string) string {
					v, _ := strconv.ParseUint(e[1:], 16, 8)
					return string([]byte{byte(v)})
				})
			}
			all = append(all, [3]string(f))
		}
	}
	return all
}

// Targets that are known to take what is not quite HTTP never see a request that
// we did not frame: each that they saw carries a trace id that the access log
// has, with the same method and target. A client cannot know that id, so what it
// smuggles has none, or another's.
func TestLenientTargets(t *testing.T) {
	if testing.Short() {
		t.Skip("starts programs")
	}
	cases, known := corpus(t)
	var mine []*Case
	for _, c := range cases {
		if c.Profile == "plain" && c.Reply == nil && known[defaultMode+":"+c.Name]+known["*:"+c.Name] == "" {
			mine = append(mine, c)
		}
	}
	for _, kind := range []struct {
		name  string
		start func(t *testing.T, port uint16, saw io.Writer)
	}{
		{"go", startGo},
		{"node", func(t *testing.T, port uint16, saw io.Writer) {
			spawn(t, port, saw, "node", "testdata/targets/node.js", fmt.Sprint(port))
		}},
		{"python", func(t *testing.T, port uint16, saw io.Writer) {
			spawn(t, port, saw, "python3", "testdata/targets/python.py", fmt.Sprint(port))
		}},
		{"nginx", startNginx},
		{"haproxy", startHAProxy},
	} {
		t.Run(kind.name, func(t *testing.T) {
			port, release, err := lbtest.ReservePort()
			if err != nil {
				t.Fatal(err)
			}
			defer release()
			var saw sightings
			kind.start(t, port, &saw)
			inFrontOf(t, fmt.Sprintf("127.0.0.1:%d", port), mine, &saw)
		})
	}
}

// inFrontOf plays the cases against the load balancer in front of a target, and
// compares what the target saw with the access log.
func inFrontOf(t *testing.T, target string, cases []*Case, saw *sightings) {
	e, addr, err := startInFrontOf(t.TempDir(), target)
	if err != nil {
		t.Fatal(err)
	}
	next := make(chan int)
	var running sync.WaitGroup
	for range lanes {
		running.Go(func() {
			for n := range next {
				if problem := knock(addr, cases[n], n); problem != "" {
					t.Errorf("%s: %s", cases[n].Name, problem)
				}
			}
		})
	}
	for n := range cases {
		next <- n
	}
	close(next)
	running.Wait()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	lines, err := e.lines()
	if err != nil {
		t.Fatal(err)
	}
	type key struct{ trace, method, target string }
	sent, sighted := map[key]int{}, map[string]bool{} // sent: how often, at most
	for _, l := range lines {
		if at, ok := l["request_processing_time"].(float64); ok && at >= 0 {
			k := key{text(l["trace_id"]), cut(text(l["request_method"])), cut(text(l["request_uri"]))}
			if sent[k] = 1; text(l["target_status_code"]) == "" {
				sent[k] = maxAttempts // no answer: it may have been repeated
			}
		}
	}
	var refused [][3]string
	seen := saw.requests()
	for _, r := range seen {
		switch {
		case r[0] == "-" || r[0] == "":
			refused = append(refused, r)
		case sent[key{r[0], cut(r[1]), cut(r[2])}] > 0:
			sighted[r[0]] = true
		default:
			t.Errorf("SMUGGLED: the target saw %.300q, which the log has not", r)
		}
	}
	// What a target refuses before it has read the trace id must be what was
	// sent to it and is not accounted for, once for each attempt.
	unseen := 0
	for k, attempts := range sent {
		if !sighted[k.trace] {
			unseen += attempts
		}
	}
	if len(refused) > unseen {
		t.Errorf("SMUGGLED: the target saw %d requests without a trace id; only %d that were sent could be among them: %.2000q",
			len(refused), unseen, refused)
	}
	if len(seen) < len(cases)/2 {
		t.Errorf("the target saw %d requests of %d cases", len(seen), len(cases))
	}
	t.Logf("%d cases: the target saw %d requests; %d without a trace id, of at most %d; the log has %d lines",
		len(cases), len(seen), len(refused), unseen, len(lines))
}

// maxAttempts is how often the load balancer sends a request at most.
const maxAttempts = 3

// cut shortens a method or a target: logs do so too.
func cut(s string) string { return s[:min(len(s), 100)] }

// knock plays the client's side of a case. Whatever the target makes of it, the
// next request on the connection gets its own answer, or none.
func knock(addr string, c *Case, n int) string {
	conn, err := dial(netip.AddrFrom4([4]byte{127, 1, byte(n >> 8), byte(n)}), addr)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	conn.methods = c.methods()
	o := &Observation{Case: c}
	o.converse(conn, func() (string, bool) {
		path := fmt.Sprintf("/follow-%d", n)
		sent := conn.send(fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: gate\r\n\r\n", path))
		r := conn.final()
		<-sent
		switch {
		case r == nil:
			return conn.fault, conn.closed
		case r.Status != 200 || string(r.Body) != path:
			return fmt.Sprintf("it got %.300q", r.Raw), false
		}
		return "", false
	})
	if o.Fate == Lost || o.Fate == Silent {
		return o.Got() + " " + o.Detail
	}
	return ""
}

func startGo(t *testing.T, port uint16, saw io.Writer) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(saw, "saw %s %s %s\n", first(r.Header["X-Amzn-Trace-Id"]), r.Method, r.RequestURI)
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, r.RequestURI)
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Close()
		<-served
	})
}

func startNginx(t *testing.T, port uint16, saw io.Writer) {
	dir := t.TempDir()
	path := filepath.Join(dir, "nginx.conf")
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	text := fmt.Sprintf(`%s
daemon off;
master_process off;
pid %s/pid;
error_log /dev/null;
events { worker_connections 1000; }
http {
  log_format saw escape=none 'saw $http_x_amzn_trace_id $request_method $request_uri';
  access_log /dev/stdout saw;
  client_body_temp_path %[2]s/body;
  proxy_temp_path %[2]s/proxy;
  fastcgi_temp_path %[2]s/fastcgi;
  uwsgi_temp_path %[2]s/uwsgi;
  scgi_temp_path %[2]s/scgi;
  client_max_body_size 0;
  large_client_header_buffers 8 32k;
  server {
    listen 127.0.0.1:%d;
    location / { return 200 $request_uri; }
  }
}
`, user, dir, port)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	spawn(t, port, saw, "nginx", "-p", dir, "-c", path, "-e", "stderr")
}

func startHAProxy(t *testing.T, port uint16, saw io.Writer) {
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	text := fmt.Sprintf(`global
  log stdout len 65535 format raw local0
  tune.bufsize 131072
  tune.http.maxhdr 200
  tune.http.logurilen 20000
defaults
  mode http
  log global
  option dontlognull
  timeout client 60s
  timeout http-request 60s
frontend f
  bind 127.0.0.1:%d
  http-request capture req.hdr(X-Amzn-Trace-Id) len 256
  log-format "saw %%[capture.req.hdr(0)] %%HM %%HU"
  http-request return status 200 content-type text/plain lf-string %%HU
`, port)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	spawn(t, port, saw, "haproxy", "-db", "-f", path)
}

// spawn starts a program that listens on the port and prints what it sees. It
// skips the test if there is no such program.
func spawn(t *testing.T, port uint16, saw io.Writer, name string, args ...string) {
	binary, err := exec.LookPath(name)
	if err != nil {
		if binary, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	cmd := exec.Command(binary, args...)
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = saw, &errs
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s: %.2000s", name, errs.String())
		}
	})
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", name, errs.String())
		case <-tick.C:
		}
	}
}

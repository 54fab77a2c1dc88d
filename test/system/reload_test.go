package system

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// version is one of the configurations that reloads go through: rules, targets
// and listeners come and go with its number, the main listener stays.
func version(d *daemon, n, extra int, targets []string, files string) string {
	var b strings.Builder
	b.WriteString("load_balancers:\n  - name: web\n    type: application\n    listeners:\n")
	fmt.Fprintf(&b, "      - protocol: HTTP\n        port: %d\n        address: 127.0.0.1\n", d.port)
	b.WriteString("        default_actions: [{type: forward, target_group: main}]\n        rules:\n")
	b.WriteString("          - {priority: 1, conditions: [{field: path-pattern, values: [/files/*]}], actions: [{type: forward, target_group: files}]}\n")
	fmt.Fprintf(&b, "          - {priority: 2, conditions: [{field: path-pattern, values: [/version]}], actions: [{type: fixed-response, status_code: 200, message_body: \"%d\"}]}\n", n)
	for i := range n % 3 {
		fmt.Fprintf(&b, "          - {priority: %d, conditions: [{field: path-pattern, values: [/never/%d]}], actions: [{type: forward, target_group: main}]}\n", 10+i, n)
	}
	if n%2 == 1 {
		fmt.Fprintf(&b, "      - {protocol: HTTP, port: %d, address: 127.0.0.1, default_actions: [{type: forward, target_group: main}]}\n", extra)
	}
	b.WriteString("target_groups:\n")
	b.WriteString(group("main", once, targets[:2+n%2]...))
	b.WriteString(group("files", once, files))
	return b.String()
}

// randomFile writes size bytes that no two places of are alike and returns their
// SHA-256.
func randomFile(t testing.TB, path string, size int64) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(newStream(size), size)); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Ten reloads under load fail no request, neither on kept connections nor on new
// ones, and leave a long download alone.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	size := int64(scaled(100 << 20))
	want := randomFile(t, filepath.Join(dir, "large"), size)
	files := startNginx(t, "files", nginxOptions{files: dir})
	targets := addresses(three(t, startGo))
	extra := freePort(t)
	d := start(t, func(d *daemon) string { return version(d, 0, extra, targets, files.addr) })

	requests := scaled(20_000)
	kept := load{addr: d.addr, clients: 16, requests: requests, call: getID}.start(t)
	posts := load{addr: d.addr, clients: 4, requests: requests / 10, call: func(int, int) call {
		return call{method: http.MethodPost, raw: post("/id", []byte("x"))}
	}}.start(t)
	fresh := load{addr: d.addr, clients: 4, requests: requests / 10, fresh: true, call: getID}.start(t)
	long := download{path: "/files/large", size: size}
	long.begin(t, d)

	const reloads = 10
	first := d.status(t).Config.Generation
	for n := 1; n <= reloads; n++ {
		generation := d.status(t).Config.Generation
		d.write(t, version(d, n, extra, targets, files.addr))
		// In turn: the daemon sees the change by itself, is told by a signal,
		// is told by the admin API.
		switch n % 3 {
		case 1:
			d.signal(t, syscall.SIGHUP)
		case 2:
			if code := d.ask(http.MethodPost, "/reload", nil); code != http.StatusOK {
				t.Fatalf("reload %d: %d", n, code)
			}
		}
		eventually(t, fmt.Sprintf("reload %d is in force", n), func() bool { return d.status(t).Config.Generation > generation })
		if r, err := (&client{addr: d.addr}).do(http.MethodGet, get("/version"), false); err != nil || string(r.body) != strconv.Itoa(n) {
			t.Fatalf("version %d: got %q, %v", n, r.body, err)
		}
		if open := accepts(extra); open != (n%2 == 1) {
			t.Errorf("version %d: the other listener is open: %v", n, open)
		}
		kept.more(t, requests/20)
		long.take(t, size/(reloads+1))
	}
	kept.underWay(t)
	posts.underWay(t)
	fresh.underWay(t)
	for _, l := range []*running{kept, posts, fresh} {
		l.stop()
		l.clean(t)
	}
	if got := long.end(t); got != want {
		t.Errorf("the download of %d bytes has SHA-256 %s, want %s", size, got, want)
	}
	if got := d.status(t).Config.Generation - first; got != reloads {
		t.Errorf("%d reloads took effect, want %d", got, reloads)
	}
	t.Logf("%d reloads; 0 failed of %d requests on kept connections, %d POSTs, %d on new connections",
		reloads, kept.done.Load(), posts.done.Load(), fresh.done.Load())
}

// accepts tells whether somebody listens on a port of 127.0.0.1.
func accepts(port int) bool {
	c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// A configuration that is wrong, or cannot take effect, changes nothing, and is
// told by the log, the status and a metric; the next right one takes effect.
func TestRejectedReload(t *testing.T) {
	t.Parallel()
	targets := addresses(three(t, startGo))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	good := func(d *daemon, n, extra int) string { return version(d, n, extra, targets, targets[0]) }
	d := start(t, func(d *daemon) string { return good(d, 0, 0) })
	before := d.status(t).Config
	l := load{addr: d.addr, clients: 8, requests: scaled(5_000), call: getID}.start(t)

	for name, text := range map[string]string{
		"no YAML":              "load_balancers: [",
		"empty":                "",
		"a dangling reference": strings.Replace(good(d, 2, 0), "{type: forward, target_group: files}", "{type: forward, target_group: nobody}", 1),
		"an unknown field":     good(d, 2, 0) + "surprise: true\n",
		"a port that is taken": good(d, 1, taken.Addr().(*net.TCPAddr).Port),
	} {
		d.write(t, text)
		if code := d.ask(http.MethodPost, "/reload", nil); code != http.StatusUnprocessableEntity {
			t.Errorf("%s: /reload answers %d, want 422", name, code)
		}
		after := d.status(t).Config
		if after.Generation != before.Generation || after.Hash != before.Hash {
			t.Errorf("%s: the configuration in force is another one", name)
		}
		if after.LastOK || after.LastError == "" {
			t.Errorf("%s: the status says ok=%v, error %q", name, after.LastOK, after.LastError)
		}
		if v, ok := d.metric(t, "elbow_config_last_reload_successful"); !ok || v != 0 {
			t.Errorf("%s: the metric is %v, want 0", name, v)
		}
		if r, err := (&client{addr: d.addr}).do(http.MethodGet, get("/version"), false); err != nil || string(r.body) != "0" {
			t.Errorf("%s: version %q, %v; want 0", name, r.body, err)
		}
		l.more(t, 100)
	}
	if !d.output.contains("the old one stays in force") {
		t.Error("the log does not say that the configuration was refused")
	}

	d.write(t, good(d, 2, 0))
	eventually(t, "a right configuration takes effect", func() bool {
		s := d.status(t).Config
		return s.LastOK && s.Generation == before.Generation+1
	})
	if v, _ := d.metric(t, "elbow_config_last_reload_successful"); v != 1 {
		t.Errorf("the metric is %v, want 1", v)
	}
	l.stop()
	l.clean(t)
}

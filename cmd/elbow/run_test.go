package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/elbow-lb/elbow/internal/control"
)

func TestRun(t *testing.T) {
	l := startLB(t, hello, nil)
	if code, body, err := l.get("/"); err != nil || code != 200 || body != "hello" {
		t.Errorf("%d %q %v", code, body, err)
	}
	elbow(t, "healthcheck", "--socket", l.socket()).want(exitOK, "ready\n", "")
	p := elbow(t, "status", "--socket", l.socket())
	p.want(exitOK, fmt.Sprintf("HTTP:%d", l.port), "")
	for _, want := range []string{"ready, up", "generation 1", "target group web", "127.0.0.1:" + l.target} {
		p.want(exitOK, want, "")
	}
	p = elbow(t, "status", "--socket", l.socket(), "-o", "json")
	var s control.Status
	if err := json.Unmarshal([]byte(p.stdout.String()), &s); err != nil || !s.Ready || s.Config.Generation != 1 {
		t.Errorf("%v %+v", err, s)
	}
	// The environment names the socket as well.
	start(t, []string{"ELBOW_SOCKET=" + l.socket()}, "status").want(exitOK, "ready", "")

	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", l.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(limits)) {
		if f := strings.Fields(line); strings.HasPrefix(line, "Max open files") && f[3] != f[4] {
			t.Errorf("the soft limit was not raised: %s", line)
		}
	}
}

// Requirement: a change takes effect by itself, by SIGHUP and by `elbow reload`;
// one that is wrong changes nothing, and says why in each place.
func TestReload(t *testing.T) {
	l := startLB(t, hello, nil)
	teapot := func(body string) string {
		return strings.Replace(l.text(), "{type: forward, target_group: web}",
			`{type: fixed-response, status_code: "418", message_body: "`+body+`"}`, 1)
	}
	serves := func(want string) {
		t.Helper()
		eventually(t, "it answers "+want, func() bool {
			_, body, err := l.get("/")
			if err != nil {
				t.Fatal(err)
			}
			return body == want
		})
	}
	serves("hello")
	l.write(teapot("one")) // noticed by itself
	serves("one")

	l.write(teapot("two"))
	elbow(t, "reload", "--socket", l.socket()).want(exitOK, "generation 3 is in force", "")
	serves("two")

	l.write(strings.Replace(l.text(), "port:", "prot:", 1))
	p := elbow(t, "reload", "--socket", l.socket())
	p.want(exitConfig, "", l.config()+":8:9: ")
	p.want(exitConfig, "", "^") // the place in the line
	p.want(exitConfig, "", "rejected: ")
	serves("two")
	p = elbow(t, "status", "--socket", l.socket())
	p.want(exitOK, "REJECTED", "")
	p.want(exitOK, "generation 3 stays in force", "")
	p.want(exitOK, l.config()+":8:9: ", "")
	eventually(t, "the log says so", func() bool { return strings.Contains(l.stderr.String(), "configuration refused") })

	l.write(teapot("three"))
	l.signal(syscall.SIGHUP)
	serves("three")
	p = elbow(t, "status", "--socket", l.socket())
	if out := p.stdout.String(); strings.Contains(out, "REJECTED") {
		t.Errorf("an old error is still shown:\n%s", out)
	}

	// An address that cannot be bound is a rejection as well.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	l.write(strings.Replace(l.text(), fmt.Sprintf("port: %d", l.port), fmt.Sprintf("port: %d", taken.Addr().(*net.TCPAddr).Port), 1))
	elbow(t, "reload", "--socket", l.socket()).want(exitBind, "", "address already in use")
	// So is a log that cannot be written.
	access := filepath.Join(l.dir, "access.log")
	l.write(strings.Replace(l.text(), access, filepath.Join(l.dir, "none", "access.log"), 1))
	elbow(t, "reload", "--socket", l.socket()).want(exitConfig, "", "no such file")
	serves("three")
	needForbidden(t)
	l.write(strings.Replace(l.text(), access, forbidden, 1))
	elbow(t, "reload", "--socket", l.socket()).want(exitBind, "", "permission denied")
}

// forbidden is a file that no user may make, where /sys can be written at all.
const forbidden = "/sys/elbow.log"

func needForbidden(t *testing.T) {
	t.Helper()
	if f, err := os.OpenFile(forbidden, os.O_WRONLY|os.O_CREATE, 0o600); !errors.Is(err, fs.ErrPermission) {
		f.Close()
		t.Skipf("opening %s is not forbidden but: %v", forbidden, err)
	}
}

// Requirement: after SIGUSR1 the access log is a new file, and no line is lost.
func TestReopen(t *testing.T) {
	l := startLB(t, hello, nil)
	log := filepath.Join(l.dir, "access.log")
	logged := func(file, path string) {
		t.Helper()
		eventually(t, file+" has "+path, func() bool {
			data, _ := os.ReadFile(file)
			return strings.Contains(string(data), path+" HTTP/1.1")
		})
	}
	l.get("/before")
	logged(log, "/before")
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	l.signal(syscall.SIGUSR1)
	eventually(t, "the log is opened anew", func() bool {
		return strings.Contains(l.stderr.String(), "access log opened anew")
	})
	l.get("/after")
	logged(log, "/after")
}

func TestExitCodes(t *testing.T) {
	dir := shortDir(t)
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	one := &lb{dir: dir, port: taken.Addr().(*net.TCPAddr).Port, target: "9"}
	good := file("good.yaml", one.text())
	bad := file("bad.yaml", "version: 1\nload_balancer: []\ntarget_groups: [{name: web}]\n")
	free := (&lb{dir: dir, port: freePort(t), target: "9"}).text()
	log := func(name, path string) string {
		return file(name, strings.Replace(free, filepath.Join(dir, "access.log"), path, 1))
	}
	noDir := log("nodir.yaml", filepath.Join(dir, "none", "access.log"))
	noLog := log("nolog.yaml", forbidden)
	noSocket := file("nosocket.yaml", strings.Replace(one.text(), "admin.sock", "good.yaml", 1))
	mute, err := net.Listen("unix", filepath.Join(dir, "mute.sock")) // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()

	for _, x := range []struct {
		args           string
		code           int
		stdout, stderr string
	}{
		{"", exitOK, "elbow validate --config", ""},
		{"--help", exitOK, "Available Commands", ""},
		{"--version", exitOK, "elbow devel", ""},
		{"version", exitOK, "elbow devel (commit unknown", ""},
		{"version --json", exitOK, `"version": "devel"`, ""},
		{"schema", exitOK, `"load_balancers"`, ""},
		{"completion bash", exitOK, "complete", ""},
		{"validate -c " + good, exitOK, good + ": ok\n  1 load balancer, 1 listener, 0 rules, 1 target group, 1 target", ""},

		{"stat", exitUsage, "", "status"},
		{"frobnicate", exitUsage, "", `unknown command "frobnicate"`},
		{"help frobnicate", exitUsage, "", `unknown command "frobnicate"`},
		{"help status", exitOK, "elbow status [flags]", ""},
		{"completion", exitOK, "bash", ""},
		{"completion bahs", exitUsage, "", `unknown command "bahs" for "elbow completion"`},
		{"run", exitUsage, "", `"config" not set`},
		{"run --conf x", exitUsage, "", "See: elbow run --help"},
		{"validate -c x y", exitUsage, "", `elbow validate takes no argument, got "y"`},
		{"status -o yaml", exitUsage, "", "table or json"},
		{"demo --port 0", exitUsage, "", "1 to 65535"},
		{"demo --port x", exitUsage, "", "invalid argument"},
		{"demo --drain-timeout -1s", exitUsage, "", "--drain-timeout must not be negative, got -1s"},
		{"run -c " + good + " --drain-delay -1s", exitUsage, "", "--drain-delay must not be negative"},

		{"validate -c " + bad, exitConfig, "", bad + ":2:1: load_balancer: "},
		{"validate -c " + filepath.Join(dir, "none.yaml"), exitConfig, "", "there is no file"},
		{"run -c " + bad, exitConfig, "", bad + ":3:17: target_groups[web]: port is missing"},
		{"run -c " + filepath.Join(dir, "none.yaml"), exitConfig, "", "there is no file"},

		{"run -c " + good, exitBind, "", "ss -ltnp"},
		{"run -c " + noSocket, exitBind, "", "is not a socket"},
		{"run -c " + noLog, exitBind, "", forbidden + ": permission denied"},
		{"run -c " + noDir, exitConfig, "", "access_log.file: open access log"},
		{fmt.Sprintf("demo --port %d", one.port), exitBind, "", "address already in use"},

		{"reload --socket " + filepath.Join(dir, "none.sock"), exitUnreachable, "", "--socket or ELBOW_SOCKET"},
		{"status --socket " + filepath.Join(dir, "none.sock"), exitUnreachable, "", "no daemon answers"},
		{"healthcheck --socket " + filepath.Join(dir, "none.sock"), exitFailure, "", "no daemon answers"},

		{"reload --timeout 20ms --socket " + mute.Addr().String(), exitTimeout, "", "within 20ms"},
		{"status --timeout 20ms --socket " + mute.Addr().String(), exitTimeout, "", "within 20ms"},
		{"healthcheck --timeout 20ms --socket " + mute.Addr().String(), exitFailure, "", "within 20ms"},
	} {
		t.Run(x.args, func(t *testing.T) {
			if strings.Contains(x.args, noLog) {
				needForbidden(t)
			}
			elbow(t, strings.Fields(x.args)...).want(x.code, x.stdout, x.stderr)
		})
	}
}

// Requirement: two daemons do not share an admin socket; one that was killed does
// not keep it.
func TestAdminSocketCollision(t *testing.T) {
	first := startLB(t, hello, nil)
	other := filepath.Join(first.dir, "other.yaml")
	second := &lb{dir: first.dir, port: freePort(t), target: "9"}
	if err := os.WriteFile(other, []byte(second.text()), 0o600); err != nil {
		t.Fatal(err)
	}
	elbow(t, "run", "-c", other).want(exitBind, "", "another process answers")
	elbow(t, "healthcheck", "--socket", first.socket()).want(exitOK, "ready", "")

	first.signal(syscall.SIGKILL)
	first.code()
	if _, err := os.Stat(first.socket()); err != nil {
		t.Fatalf("a killed process leaves its socket: %v", err)
	}
	again := start(t, nil, "run", "-c", first.config())
	eventually(t, "the next daemon is ready", func() bool {
		r, _ := first.api.Ready(t.Context())
		return r.Ready
	})
	again.signal(syscall.SIGTERM)
	again.want(exitOK, "", "drained")
	if _, err := os.Stat(first.socket()); err == nil {
		t.Error("the socket is still there")
	}
}

// Requirement: the admin API over TCP asks for a loopback name; a changed address
// needs a new start, and the log says so.
func TestAdminTCP(t *testing.T) {
	l := startLB(t, hello, nil)
	l.signal(syscall.SIGTERM)
	l.code()
	port := freePort(t)
	listen := fmt.Sprintf("admin: {listen: \"127.0.0.1:%d\", ", port)
	l.write(strings.Replace(l.text(), "admin: {", listen, 1))
	again := start(t, nil, "run", "-c", l.config())
	eventually(t, "the daemon is ready", func() bool { r, _ := l.api.Ready(t.Context()); return r.Ready })
	get := func(host string) (int, string) {
		req, _ := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%d/metrics", port), nil)
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	if code, body := get("localhost"); code != 200 || !strings.Contains(body, "elbow_config_last_reload_successful 1") {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := get("rebound.example"); code != 403 {
		t.Errorf("another host: %d, want 403", code)
	}
	l.write(l.text())
	elbow(t, "reload", "--socket", l.socket()).want(exitOK, "generation 2", "")
	eventually(t, "the log says so", func() bool { return strings.Contains(again.stderr.String(), "the admin API stays where it is") })
}

// Requirement: the daemon's log follows log.level and log.format.
func TestDaemonLog(t *testing.T) {
	l := startLB(t, hello, nil)
	l.write(l.text() + "log: {level: info, format: console}\n")
	elbow(t, "reload", "--socket", l.socket()).want(exitOK, "generation 2", "")
	l.signal(syscall.SIGUSR1)
	eventually(t, "the log is for people", func() bool {
		return strings.Contains(l.stderr.String(), "\tINFO\taccess log opened anew\n")
	})
	l.write(l.text() + "log: {level: error}\n")
	elbow(t, "reload", "--socket", l.socket()).want(exitOK, "generation 3", "")
	l.signal(syscall.SIGTERM)
	l.code()
	if out := l.stderr.String(); !strings.Contains(out, `"msg":"ready"`) || strings.Contains(out, "drain") {
		t.Errorf("the log was not JSON at first, or not quiet at last:\n%s", out)
	}
}

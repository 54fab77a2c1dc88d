package lbtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/elbow-lb/elbow/api/admin"
	"github.com/elbow-lb/elbow/internal/control"
)

// daemon is the binary, running.
type daemon struct {
	run    *run
	cmd    *exec.Cmd
	client *http.Client
	ended  chan struct{} // closed when it ended
	err    error         // of its end; after ended

	mu     sync.Mutex // guards stderr
	stderr bytes.Buffer
}

func startDaemon(r *run, path string) (loadBalancer, error) {
	d := &daemon{run: r, ended: make(chan struct{})}
	socket := filepath.Join(r.dir, "admin.sock")
	d.client = &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	d.cmd = exec.Command(r.opt.Binary, "run", "--config", path)
	d.cmd.Stderr, d.cmd.Stdout = d, d
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.ended)
		r.notify()
	}()
	var rejected error
	err := r.until(func() error {
		select {
		case <-d.ended:
			rejected = fmt.Errorf("%w: %s", d.err, d.output())
			return nil
		default:
		}
		var ready struct{ Ready bool }
		if err := d.get("GET", "/readyz", &ready); err != nil {
			return err
		}
		if !ready.Ready {
			return errors.New("expected the daemon ready, seen it not ready")
		}
		return nil
	})
	if err == nil {
		err = rejected
	}
	if err != nil {
		d.kill()
		return nil, err
	}
	return d, nil
}

// Write takes the daemon's output.
func (d *daemon) Write(p []byte) (int, error) {
	d.mu.Lock()
	d.stderr.Write(p)
	d.mu.Unlock()
	d.run.record("lb", "%s", strings.TrimSpace(string(p)))
	if bytes.Contains(p, []byte("panic")) {
		d.run.fail(errors.New("the daemon panicked: see its log in the transcript"))
	}
	return len(p), nil
}

func (d *daemon) output() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stderr.String()
}

// get asks the admin API; v takes the JSON of the answer.
func (d *daemon) get(method, path string, v any) error {
	body, err := d.ask(method, path)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}

func (d *daemon) ask(method, path string) ([]byte, error) { return d.send(method, path, nil) }

func (d *daemon) send(method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequest(method, "http://elbow"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, explain(answer))
	}
	return answer, err
}

// explain prints a failure as the command line would.
func explain(body []byte) string {
	var f admin.Failure
	if json.Unmarshal(body, &f) != nil {
		return string(body)
	}
	lines := []string{f.Message}
	for _, d := range f.Diagnostics {
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s: %s", d.File, d.Line, d.Column, d.Path, d.Message))
	}
	return strings.Join(lines, "\n")
}

func (d *daemon) reload() error {
	_, err := d.ask("POST", "/reload")
	return err
}

func (d *daemon) status() (st control.Status, err error) {
	return st, d.get("GET", "/status", &st)
}

func (d *daemon) metrics() (string, error) {
	b, err := d.ask("GET", "/metrics")
	return string(b), err
}

func (d *daemon) override(action string, ref control.TargetRef) error {
	body, err := json.Marshal(ref)
	if err != nil {
		return err
	}
	_, err = d.send("POST", "/targets/"+action, body)
	return err
}

func (d *daemon) reopenLogs() error {
	_, err := d.ask("POST", "/reopen-logs")
	return err
}

func (d *daemon) signal(name string) error {
	s, ok := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "TERM": syscall.SIGTERM}[name]
	if !ok {
		return fmt.Errorf("unknown signal %s", name)
	}
	return d.cmd.Process.Signal(s)
}

func (d *daemon) drain() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-d.ended:
		return d.err
	case <-time.After(patience):
		return fmt.Errorf("the daemon did not end within %v", patience)
	}
}

func (d *daemon) kill() {
	d.cmd.Process.Kill()
	<-d.ended
	d.client.CloseIdleConnections()
}

func (d *daemon) close() error {
	defer d.kill()
	select {
	case <-d.ended:
		if d.err != nil {
			return fmt.Errorf("the daemon ended: %w", d.err)
		}
	default:
	}
	return nil
}

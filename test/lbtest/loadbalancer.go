package lbtest

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/clock"
	"github.com/elbow-lb/elbow/internal/control"
)

// loadBalancer is the one under test.
type loadBalancer interface {
	// reload makes the configuration at the path given at the start take
	// effect. The error says why not.
	reload() error
	status() (control.Status, error)
	// metrics is what Prometheus would be told.
	metrics() (string, error)
	// drain lets requests in flight finish, and returns when they have.
	drain() error
	// reopenLogs opens the access log anew, after it was renamed.
	reopenLogs() error
	// override registers, deregisters or drains a target, or, with the action
	// clear, takes that back.
	override(action string, ref control.TargetRef) error
	// close ends it at once. The error is that it did not end well.
	close() error
}

// inProcess is a Controller in this process.
type inProcess struct {
	c *control.Controller
}

func startInProcess(r *run, path string) (loadBalancer, error) {
	opt := control.Options{
		Load:  func() (*config.Model, config.Diagnostics) { return config.Read(path, os.LookupEnv) },
		Log:   zap.New(logCore(r)),
		Loops: 2, Version: "spec",
	}
	if r.clock != nil {
		opt.Clock = r.clock.fake
	}
	c, err := control.New(opt)
	if err != nil {
		return nil, err
	}
	p := &inProcess{c}
	if err := p.reload(); err != nil {
		c.Close()
		return nil, err
	}
	if r.clock != nil {
		r.clock.settle = c.Settle
	}
	return p, nil
}

// logCore writes the load balancer's own log into the transcript. A panic in
// the data path costs only its connection; here it fails the script.
func logCore(r *run) zapcore.Core {
	enc := zap.NewDevelopmentEncoderConfig()
	enc.TimeKey = ""
	core := zapcore.NewCore(zapcore.NewConsoleEncoder(enc), zapcore.AddSync(transcriptWriter{r}), zap.InfoLevel)
	return zapcore.RegisterHooks(core, func(e zapcore.Entry) error {
		if strings.HasPrefix(e.Message, "panic") {
			r.fail(errors.New("the load balancer panicked: see its log in the transcript"))
		}
		return nil
	})
}

type transcriptWriter struct{ run *run }

func (w transcriptWriter) Write(p []byte) (int, error) {
	w.run.record("lb", "%s", strings.TrimSpace(string(p)))
	return len(p), nil
}

func (p *inProcess) reload() error                   { return p.c.Reload(context.Background()) }
func (p *inProcess) status() (control.Status, error) { return p.c.Status(), nil }

func (p *inProcess) metrics() (string, error) {
	w := httptest.NewRecorder()
	p.c.Metrics().Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String(), nil
}

func (p *inProcess) override(action string, ref control.TargetRef) error {
	if action == "clear" {
		_, err := p.c.ClearOverrides(context.Background(), ref)
		return err
	}
	_, err := p.c.OverrideTarget(context.Background(), control.TargetAction(action), ref)
	return err
}

func (p *inProcess) reopenLogs() error { return p.c.ReopenLogs() }

func (p *inProcess) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return p.c.Drain(ctx)
}

func (p *inProcess) close() error {
	p.c.Close()
	return nil
}

// override is "lb target register|deregister|drain|clear GROUP SERVER", with
// "-> rejected TEXT" or without.
func (r *run) override(args []string) error {
	t, err := r.target(args[2])
	if err != nil {
		return err
	}
	err = r.lb.override(args[0], control.TargetRef{TargetGroup: args[1], ID: t.addr.Addr().String(), Port: t.addr.Port()})
	if len(args) == 3 {
		return err
	}
	if err == nil {
		return errors.New("expected it to be rejected, seen it done")
	}
	return check("reason of the rejection", args[5], err.Error())
}

// scriptClock is the clock that the verb clock moves.
type scriptClock struct {
	fake   *clock.Fake
	settle func(context.Context) error
}

func newScriptClock() *scriptClock {
	return &scriptClock{fake: clock.NewFake(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))}
}

// advance moves the clock by d, from one thing that is due to the next, and
// waits before and after each until the health checks under way have reported:
// the next one of a target is planned only then.
func (c *scriptClock) advance(d time.Duration) error {
	end := c.fake.Now().Add(d)
	if err := c.waitForChecks(); err != nil {
		return err
	}
	for {
		now := c.fake.Now()
		step := end.Sub(now)
		if next, ok := c.fake.Next(); ok && next.Before(end) {
			step = max(0, next.Sub(now))
		}
		c.fake.Advance(step)
		if err := c.waitForChecks(); err != nil {
			return err
		}
		if !c.fake.Now().Before(end) {
			return nil
		}
	}
}

func (c *scriptClock) waitForChecks() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.settle(ctx); err != nil {
		return fmt.Errorf("health checks did not end: %w", err)
	}
	return nil
}

// verbClock is "clock +30s": moves the clock once the load balancer has nothing
// left to do.
func (r *run) verbClock(args []string, _ bool) error {
	if len(args) != 1 || !strings.HasPrefix(args[0], "+") {
		return errors.New("clock +DURATION")
	}
	d, err := time.ParseDuration(args[0][1:])
	if err != nil {
		return err
	}
	if r.lb == nil {
		return errors.New("the load balancer is not started")
	}
	if err := r.until(asleep); err != nil {
		return err
	}
	return r.clock.advance(d)
}

// verbLB is "lb start FILE", "lb reload FILE", each with "-> rejected TEXT" or
// without, "lb drain", "lb rotate-logs", and for the daemon alone "lb edit FILE"
// and "lb signal NAME".
func (r *run) verbLB(args []string, background bool) error {
	if len(args) == 0 || len(args) == 1 && r.lb == nil {
		return errNotStarted
	}
	switch {
	case len(args) == 1 && args[0] == "drain":
		if !background {
			return r.lb.drain()
		}
		r.drains.Go(func() {
			if err := r.lb.drain(); err != nil {
				r.fail(fmt.Errorf("drain: %w", err))
			}
			r.record("lb", "drained")
		})
		return nil
	case len(args) == 1 && args[0] == "rotate-logs":
		log := filepath.Join(r.dir, "access.log")
		if err := os.Rename(log, log+".1"); err != nil {
			return err
		}
		return r.lb.reopenLogs()
	case (len(args) == 4 || len(args) == 7) && args[0] == "target":
		return r.override(args[1:])
	case len(args) == 2 && args[0] == "edit":
		_, err := r.file(args[1], "elbow.yaml")
		return err
	case len(args) == 2 && args[0] == "signal":
		d, ok := r.lb.(*daemon)
		if !ok {
			return errors.New("only the daemon takes signals")
		}
		return d.signal(args[1])
	case len(args) < 2:
		return errors.New("lb start FILE, lb reload FILE, lb drain, lb target ACTION GROUP SERVER, lb rotate-logs, lb edit FILE, lb signal NAME")
	}
	do, name, args := args[0], args[1], args[2:]
	wait := true
	if len(args) > 0 && args[0] == "-nowait" {
		wait, args = false, args[1:]
	}
	path, err := r.file(name, "elbow.yaml")
	if err != nil {
		return err
	}
	switch {
	case do == "start" && r.lb == nil && r.opt.Binary == "":
		r.lb, err = startInProcess(r, path)
	case do == "start" && r.lb == nil:
		r.lb, err = startDaemon(r, path)
	case do == "reload" && r.lb != nil:
		err = r.lb.reload()
	default:
		return fmt.Errorf("lb %s cannot be done now", do)
	}
	if len(args) == 3 && args[0] == "->" && args[1] == "rejected" {
		if err == nil {
			return errors.New("expected the configuration to be rejected, seen it accepted")
		}
		return check("reason of the rejection", args[2], err.Error())
	}
	if len(args) > 0 {
		return fmt.Errorf("unknown: %s", strings.Join(args, " "))
	}
	if err != nil {
		return err
	}
	if !wait {
		return nil
	}
	// The first check of every target decides what is eligible, so wait for it.
	return r.until(func() error {
		st, err := r.lb.status()
		if err != nil {
			return err
		}
		for _, g := range st.TargetGroups {
			for _, t := range g.Targets {
				if t.State == "initial" {
					return fmt.Errorf("expected every target checked once, seen %s/%s %s", g.Name, t.Address, t.State)
				}
			}
		}
		return nil
	})
}

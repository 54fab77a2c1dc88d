package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/elbow-lb/elbow/api/admin"
	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/config/file"
	"github.com/elbow-lb/elbow/internal/control"
)

// daemonOptions are what `run` and `demo` differ in.
type daemonOptions struct {
	config       string        // path of the configuration
	drainDelay   time.Duration // accept that long after SIGTERM
	drainTimeout time.Duration // wait that long for requests in flight
	memoryLimit  byteSize      // bytes that the process may use; 0: what its control group may
	stderr       io.Writer
	colour       bool   // stderr may have colours
	started      func() // called once the daemon is ready; may be nil
}

// daemon is a running load balancer: the controller, with what tells it and what
// it tells the world around the process.
type daemon struct {
	*control.Controller
	opt     daemonOptions
	log     *daemonLog
	source  *file.Source
	notify  *notifier
	memory  memoryLimit
	reloads chan struct{} // asks for a reload; one that waits stands for many
	reopens chan struct{} // asks for the access log to be opened anew, likewise

	mu    sync.Mutex    // serialises Reload and what it tells; guards the fields below
	first *config.Model // loaded at the start and not yet given to the controller
	admin config.Admin  // where the admin API listens
}

// runDaemon runs a load balancer until a signal ends it.
func runDaemon(opt daemonOptions) error {
	// Two channels: those that end the process must not be lost because many of
	// the others came at once, nor wait for what the others ask for.
	stop, other := make(chan os.Signal, 2), make(chan os.Signal, 8)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(other, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(stop)
	defer signal.Stop(other)
	// Whoever reads the access log on stdout may go away. Lines are dropped
	// and counted then; the process must not die of it.
	signal.Ignore(syscall.SIGPIPE)

	d := &daemon{opt: opt, log: newLog(opt.stderr), reloads: make(chan struct{}, 1), reopens: make(chan struct{}, 1)}
	defer d.log.Sync()
	d.source = file.New(opt.config, d.log.Logger)
	m, diags := d.source.Load(os.LookupEnv)
	if m == nil {
		return invalid(opt.stderr, opt.colour, opt.config, diags)
	}
	d.first, d.admin = m, m.Admin
	d.log.configure(m.Log)
	d.describe()

	var err error
	if d.notify, err = newNotifier(); err != nil {
		d.log.Warn("the service manager cannot be told", zap.Error(err))
	}
	// The admin API comes first and goes last: it says how the start and the
	// drain are going.
	server, err := admin.Listen(admin.Options{Socket: m.Admin.Socket, Listen: m.Admin.Listen, Log: d.log.Logger})
	if err != nil {
		return failf(exitBind, "%w", err)
	}
	defer server.Close()
	d.Controller, err = control.New(control.Options{
		Load: d.load, Log: d.log.Logger, StateDirectory: stateDirectory(), Version: version, Commit: commit,
		MemoryLimit: d.memory.bytes, MemoryUsed: d.memory.used,
	})
	if err != nil {
		return err
	}
	defer d.Controller.Close()
	server.Serve(d)

	if err := d.Reload(context.Background()); err != nil {
		return failf(startCode(err), "%w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var followers sync.WaitGroup
	defer followers.Wait()
	defer cancel()
	followers.Go(func() { d.source.Run(ctx, d.askReload) })
	followers.Go(func() { d.followReloads(ctx) })
	followers.Go(func() { d.notify.follow(ctx, d.Status) })
	followers.Go(func() { d.followSignals(ctx, other) })
	go d.followReopens(ctx) // nobody waits for it: a disk that stalls must not keep the process
	d.log.Info("ready")
	if opt.started != nil {
		opt.started()
	}
	return d.drain(<-stop, stop)
}

// describe finds out and logs what the daemon is and what it may use.
func (d *daemon) describe() {
	fields := []zap.Field{zap.String("version", version), zap.String("commit", commit), zap.Int("pid", os.Getpid())}
	// The Go runtime has raised the soft limit to the hard one already.
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) == nil {
		fields = append(fields, zap.Uint64("open_files", files.Cur))
	}
	d.memory = limitMemory(int64(d.opt.memoryLimit))
	if d.memory.bytes > 0 {
		fields = append(fields, zap.Int64("memory_limit_bytes", d.memory.bytes))
	}
	d.log.Info("elbow", fields...)
}

// startCode is the exit code for a first configuration that cannot take effect,
// and the same that `elbow reload` has for it.
func startCode(err error) int {
	var bind *control.BindError
	if errors.As(err, &bind) || errors.Is(err, os.ErrPermission) {
		return exitBind
	}
	return exitConfig // a file that it names cannot be opened
}

// load gives the controller what was loaded at the start, and later what the
// source has. The controller calls it within Reload.
func (d *daemon) load() (*config.Model, config.Diagnostics) {
	if m := d.first; m != nil {
		d.first = nil
		return m, nil
	}
	return d.source.Load(os.LookupEnv)
}

// Reload reads the configuration and makes it take effect, or changes nothing
// and says why. The service manager and the log learn of it.
func (d *daemon) Reload(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Snapshot() != nil { // the first time is not a reload
		d.notify.reloading()
	}
	err := d.Controller.Reload(ctx)
	if s := d.Snapshot(); s != nil {
		d.notify.ready(d.Status())
		d.log.configure(s.Model.Log)
		if err == nil && s.Model.Admin != d.admin {
			d.log.Warn("the admin API stays where it is: a change of admin.socket or admin.listen takes effect when the daemon is started anew")
		}
	}
	return err
}

// askReload has the configuration read soon.
func (d *daemon) askReload() { askFor(d.reloads) }

// askFor asks on a channel of one place.
func askFor(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // the one that waits will find what is there then
	}
}

func (d *daemon) followReloads(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.reloads:
			d.Reload(ctx) // the controller logs how it went
		}
	}
}

// followSignals does what signals ask for that do not end the daemon.
func (d *daemon) followSignals(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			if s == syscall.SIGHUP {
				askFor(d.reloads)
			} else {
				askFor(d.reopens) // during a drain, too: it may take as long as it takes to rotate
			}
		}
	}
}

func (d *daemon) followReopens(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.reopens:
			if err := d.ReopenLogs(); err != nil {
				d.log.Error("the access log cannot be opened anew; the old one stays", zap.Error(err))
			} else {
				d.log.Info("access log opened anew")
			}
		}
	}
}

// drain finishes what is in flight, unless it takes too long or a second signal
// cuts it short.
func (d *daemon) drain(s os.Signal, stop <-chan os.Signal) error {
	d.log.Info("draining; a second signal ends the process at once",
		zap.Stringer("signal", s), zap.Duration("delay", d.opt.drainDelay), zap.Duration("timeout", d.opt.drainTimeout))
	d.BeginDrain()
	d.notify.stop(d.Status())

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- d.drainAfterDelay(ctx) }()
	select {
	case err := <-done:
		if errors.Is(err, context.DeadlineExceeded) {
			return failf(exitTimeout, "drain: %w (--drain-timeout)", err)
		}
		if err == nil {
			d.log.Info("drained")
		}
		return err
	case s := <-stop:
		return failf(exitFailure, "ended by a second signal (%v) before the drain was over", s)
	}
}

func (d *daemon) drainAfterDelay(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d.opt.drainDelay):
	}
	ctx, cancel := context.WithTimeout(ctx, d.opt.drainTimeout)
	defer cancel()
	return d.Controller.Drain(ctx)
}

// stateDirectory is the directory that systemd keeps for the service: the first
// of StateDirectory= (systemd.exec(5)).
func stateDirectory() string {
	dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":")
	return dir
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/config/file"
	"github.com/elbow-lb/elbow/internal/control"
)

// daemonOptions are what `run` and `demo` differ in.
type daemonOptions struct {
	config       string // path of the configuration
	drainDelay   time.Duration
	drainTimeout time.Duration
	stderr       io.Writer
}

// daemon is a running load balancer: the controller with what the process is
// told by and tells to the world around it.
type daemon struct {
	*control.Controller
	opt     daemonOptions
	source  *file.Source
	log     *daemonLog
	reloads chan struct{} // asks for a reload; one waiting stands for many

	mu    sync.Mutex    // serialises Reload; guards first
	first *config.Model // loaded at the start and not yet given to the controller
}

// runDaemon runs a load balancer until a signal ends it.
func runDaemon(opt daemonOptions) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)

	d := &daemon{opt: opt, source: file.New(opt.config, nil), reloads: make(chan struct{}, 1)}
	m, diags := d.source.Load(os.LookupEnv)
	if m == nil {
		diags.Render(opt.stderr, false)
		return said(exitConfig)
	}
	d.first = m
	d.log = newLog(opt.stderr, m.Log)
	defer d.log.Sync()

	var err error
	d.Controller, err = control.New(control.Options{Load: d.load, Log: d.log.Logger, Version: version, Commit: commit})
	if err != nil {
		return err
	}
	defer d.Controller.Close()
	if err := d.Reload(context.Background()); err != nil {
		return failf(exitBind, "%w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go d.source.Run(ctx, d.askReload)
	go d.followReloads(ctx)
	d.log.Info("ready")
	return d.follow(signals)
}

// load gives the controller what was loaded at the start, later what the source
// has.
func (d *daemon) load() (*config.Model, config.Diagnostics) {
	if m := d.first; m != nil {
		d.first = nil
		return m, nil
	}
	return d.source.Load(os.LookupEnv)
}

// Reload reads the configuration and makes it take effect, or changes nothing.
func (d *daemon) Reload(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.Controller.Reload(ctx)
	if s := d.Snapshot(); s != nil {
		d.log.configure(s.Model.Log)
	}
	return err
}

func (d *daemon) askReload() {
	select {
	case d.reloads <- struct{}{}:
	default: // the one that waits reads what is there then
	}
}

func (d *daemon) followReloads(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.reloads:
			d.Reload(ctx) // says in the log how it went
		}
	}
}

// follow does what signals ask for until one of them ended the daemon.
func (d *daemon) follow(signals <-chan os.Signal) error {
	for s := range signals {
		switch s {
		case syscall.SIGHUP:
			d.askReload()
		case syscall.SIGUSR1:
			if err := d.ReopenLogs(); err != nil {
				d.log.Error("open the access log anew", zap.Error(err))
			}
		default:
			return d.drain(s, signals)
		}
	}
	return nil
}

// drain finishes what is in flight, unless a second signal says not to.
func (d *daemon) drain(s os.Signal, signals <-chan os.Signal) error {
	d.log.Info("draining; a second signal ends at once", zap.Stringer("signal", s))
	ctx, cancel := context.WithTimeout(context.Background(), d.opt.drainTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- d.Controller.Drain(ctx) }()
	for {
		select {
		case err := <-done:
			if errors.Is(err, context.DeadlineExceeded) {
				return failf(exitTimeout, "drain: %w", err)
			}
			return err
		case s := <-signals:
			if s == syscall.SIGTERM || s == syscall.SIGINT {
				return failf(exitFailure, "ended by a second %v", fmt.Sprint(s))
			}
		}
	}
}

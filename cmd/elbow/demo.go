package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

//go:embed demo.yaml
var demoConfig string

// demoPort is where the demo listens unless that is taken.
const demoPort = 8080

func newDemo() *cobra.Command {
	var opt daemonOptions
	port, accessLog := demoPort, true
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a load balancer with built-in targets, to try things on",
		Long: `Run a load balancer with four built-in targets in two zones, and say what to try:
round robin, a rule, a canary, a redirect, a fixed response, a target that fails
and leaves service, a configuration that is changed while it runs.

It is the same daemon that "elbow run" runs, with a configuration of its own in a
directory that is removed at the end.`,
		Example: `  elbow demo
  elbow demo --port 9000 --access-log=false`,
		Args: noArgs,
		RunE: action(func(cmd *cobra.Command) error {
			if port < 1 || port > 65535 {
				return failf(exitUsage, "--port must be 1 to 65535, got %d", port)
			}
			if err := notNegative(cmd, "drain-delay", "drain-timeout"); err != nil {
				return err
			}
			opt.stderr = cmd.ErrOrStderr()
			opt.colour = colours(cmd, opt.stderr)
			d := demo{asked: cmd.Flags().Changed("port"), port: port, accessLog: accessLog, out: cmd.OutOrStdout()}
			d.colour = colours(cmd, d.out)
			return d.run(opt)
		}),
	}
	cmd.Flags().IntVar(&port, "port", port, "the `port` to listen on, on 127.0.0.1; without this flag a free one if 8080 is taken")
	cmd.Flags().BoolVar(&accessLog, "access-log", accessLog, "show the access log on stdout")
	drainFlags(cmd, &opt)
	return cmd
}

// demo is what the demo adds to the daemon: targets, a configuration that names
// them, and a tour.
type demo struct {
	asked     bool // for this very port
	port      int
	accessLog bool
	out       io.Writer
	colour    bool

	dir     string
	targets []*demoTarget
}

func (d *demo) run(opt daemonOptions) error {
	if err := d.choosePort(); err != nil {
		return err
	}
	for _, t := range []struct{ name, zone string }{{"web-1", "a"}, {"web-2", "b"}, {"api-1", "a"}, {"canary-1", "b"}} {
		target, err := startDemoTarget(t.name, t.zone)
		if err != nil {
			return failf(exitBind, "target %s: %w", t.name, err)
		}
		defer target.close()
		d.targets = append(d.targets, target)
	}
	dir, err := os.MkdirTemp("", "elbow-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d.dir = dir
	opt.config = d.config()
	if err := os.WriteFile(opt.config, []byte(d.configuration()), 0o644); err != nil {
		return err
	}
	opt.started = d.tour
	return runDaemon(opt)
}

// choosePort looks for a free port if the usual one is taken.
func (d *demo) choosePort() error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(d.port)))
	if d.asked || !errors.Is(err, syscall.EADDRINUSE) {
		if err == nil {
			l.Close()
		}
		return nil // what is wrong with it, the daemon says
	}
	l, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return failf(exitBind, "%w", err)
	}
	defer l.Close()
	taken := d.port
	d.port = l.Addr().(*net.TCPAddr).Port
	_, err = fmt.Fprintf(d.out, "Port %d is taken, so this is on %d (--port chooses another).\n\n", taken, d.port)
	return err
}

// configuration is demo.yaml with the ports that were free.
func (d *demo) configuration() string {
	values := map[string]string{"PORT": strconv.Itoa(d.port)}
	for _, t := range d.targets {
		values[strings.ToUpper(strings.ReplaceAll(t.name, "-", "_"))] = strconv.Itoa(t.port())
	}
	if d.accessLog {
		values["ACCESS_LOG"] = "stdout"
	}
	return os.Expand(demoConfig, func(name string) string { return values[name] })
}

// Paths in the demo's directory, as demo.yaml has them.
func (d *demo) config() string { return filepath.Join(d.dir, "elbow.yaml") }
func (d *demo) socket() string { return filepath.Join(d.dir, "admin.sock") }

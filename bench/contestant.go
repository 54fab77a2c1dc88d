package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// setup is what a contestant is configured for. Every contestant gets the
// tuning that serves it best in each.
type setup int

const (
	// setupPlain: one listener, one target, X-Forwarded-*, no log.
	setupPlain setup = iota
	// setupMedium: as plain, tuned for bodies of 16 KiB.
	setupMedium
	// setupLarge: as plain, tuned for bodies of 1 MiB.
	setupLarge
	// setupRules: 20 rules, a log line per request to a file, metrics on.
	setupRules
	// setupSticky: as rules, with clients kept to a target by a cookie that
	// every answer sets.
	setupSticky
)

// rules tells whether the setup has rules, a log and metrics.
func (s setup) rules() bool { return s == setupRules || s == setupSticky }

// site is where a contestant runs and what it runs between.
type site struct {
	setup setup
	dir   string // its own, for configuration, log and sockets
	port  int    // to listen on, on loopback
	// Faces of the target: main answers the measured requests, other those
	// that the rules send elsewhere.
	main, other int
	cores       int // processors it may use
	files       int // limit on open files
}

func (s site) config() string    { return filepath.Join(s.dir, "config") }
func (s site) accessLog() string { return filepath.Join(s.dir, "access.log") }
func (s site) errorLog() string  { return filepath.Join(s.dir, "error.log") }

// contestant is one proxy that takes part.
type contestant struct {
	name    string
	version string // filled in by line
	// command is the binary; missing tells how to get it.
	command string
	missing string
	// versionArgs makes the command print its version.
	versionArgs []string
	// configure writes out the configuration for a site.
	configure func(s site) string
	// arguments start the command in the foreground with that configuration.
	arguments func(s site) []string
	// logsToStdout is set when the access log is standard output.
	logsToStdout bool
	orphaned     syscall.Signal // see launch
	peer         bool           // someone to be compared with, not the one compared
}

var errMissing = errors.New("something to run is missing")

// tools is the package list of the hint about a missing tool.
const tools = "apt-get install --no-install-recommends wrk haproxy nginx-light"

func contestantNames() []string { return []string{"elbow", "haproxy", "nginx"} }

func newContestant(name, elbow string) *contestant {
	switch name {
	case "elbow":
		return &contestant{
			name: name, command: elbow, missing: "build it with `make build`, or name it with -elbow",
			versionArgs: []string{"version"}, configure: elbowConfig,
			arguments: func(s site) []string { return []string{"run", "--config", s.config()} },
		}
	case "haproxy":
		return &contestant{
			name: name, command: "haproxy", missing: tools, peer: true,
			versionArgs: []string{"-v"}, configure: haproxyConfig, logsToStdout: true,
			arguments: func(s site) []string { return []string{"-db", "-f", s.config()} },
		}
	case "nginx":
		return &contestant{
			name: name, command: "nginx", missing: tools, peer: true,
			versionArgs: []string{"-v"}, configure: nginxConfig, orphaned: syscall.SIGTERM,
			arguments: func(s site) []string {
				return []string{"-p", s.dir, "-e", s.errorLog(), "-c", s.config(), "-g", "daemon off;"}
			},
		}
	}
	panic("no contestant " + name)
}

// skip says who was to take part and does not.
type skip struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// line finds the contestants that are there, with their versions. A missing
// tool is an error, except that a short run goes on without Elbow's binary.
func line(ctx context.Context, opt options) (field []*contestant, skipped []skip, err error) {
	if _, err := lookPath("wrk"); err != nil {
		return nil, nil, fmt.Errorf("%w: wrk: %s", errMissing, tools)
	}
	for _, name := range opt.contestants {
		c := newContestant(name, opt.elbow)
		path, err := lookPath(c.command)
		if err != nil {
			reason := fmt.Sprintf("%s is not there; %s", c.command, c.missing)
			if opt.short && !c.peer {
				skipped = append(skipped, skip{c.name, reason})
				continue
			}
			return nil, nil, fmt.Errorf("%w: %s", errMissing, reason)
		}
		c.command = path
		out, err := exec.CommandContext(ctx, c.command, c.versionArgs...).CombinedOutput()
		if err != nil {
			return nil, nil, fmt.Errorf("%s %s: %w: %s", c.command, strings.Join(c.versionArgs, " "), err, out)
		}
		c.version, _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
		c.version = strings.TrimPrefix(c.version, "nginx version: ")
		field = append(field, c)
	}
	return field, skipped, nil
}

// lookPath also looks where Debian puts daemons.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil && !strings.Contains(name, "/") {
		return exec.LookPath("/usr/sbin/" + name)
	}
	return path, err
}

// running is a contestant at work on a site.
type running struct {
	*contestant
	site site
	proc *process
	// cookies are what the last answer has set, for setupSticky.
	cookies string
}

// readyWithin bounds the time from start to the first correct answer.
const readyWithin = 10 * time.Second

// start writes the configuration, starts the contestant on its processors and
// returns when it answers correctly.
func (c *contestant) start(ctx context.Context, s site, cpus cpuSet) (*running, error) {
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.config(), []byte(c.configure(s)), 0o644); err != nil {
		return nil, err
	}
	l := launch{
		name: c.name, argv: append([]string{c.command}, c.arguments(s)...), cpus: cpus,
		stderr: s.errorLog(), stdout: filepath.Join(s.dir, "stdout"), orphaned: c.orphaned,
	}
	if c.logsToStdout {
		l.stdout = s.accessLog()
	}
	p, err := start(l)
	if err != nil {
		return nil, err
	}
	r := &running{contestant: c, site: s, proc: p}
	if err := r.awaitCorrect(ctx); err != nil {
		p.stop()
		return nil, fmt.Errorf("%s: %w\nits standard error ends: %s", c.name, err, tail(s.errorLog()))
	}
	return r, nil
}

func (r *running) awaitCorrect(ctx context.Context) error {
	deadline := time.Now().Add(readyWithin)
	for {
		err := r.check(ctx)
		if err == nil {
			return nil
		}
		if r.proc.exited() {
			return fmt.Errorf("ended at once: %v", r.proc.err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("does not answer correctly: %w", err)
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

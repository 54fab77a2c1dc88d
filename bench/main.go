// Command bench measures Elbow against HAProxy and nginx as whole systems: real
// processes, real sockets, equivalent tuned configurations, side by side in one
// run on one machine.
//
// One program plays several parts. Started plainly it is the conductor: it
// generates configurations, starts the contestants, checks that each answers
// correctly, drives load at them in interleaved rounds and writes the report.
// It starts itself again, with a role as first argument, as the target behind
// the proxies (target.go), as the paced load generator (paced.go) and as the
// holder of idle connections (hold.go). Closed-loop load is wrk's.
//
// The figure that decides is processor time per request: the user and system
// time that all threads of the contestant's process group spent in a round,
// divided by the requests answered in it. README.md says what that does and
// does not show.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Roles the program starts itself in.
const (
	roleTarget = "role-target"
	rolePaced  = "role-paced"
	roleHold   = "role-hold"
)

// Exit statuses: 1 for a contestant that did not work, 2 for a wrong command
// line or a missing tool.
const (
	exitFailed = 1
	exitUsage  = 2
)

func init() {
	// Children are started from the main goroutine on the main thread: they
	// inherit the affinity this thread has at that moment, and the parent-death
	// signal they ask for is tied to the thread that started them.
	runtime.LockOSThread()
}

func main() {
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			if err := role(os.Args[2:], os.Stdin, os.Stdout); err != nil {
				fmt.Fprintf(os.Stderr, "bench %s: %v\n", os.Args[1], err)
				os.Exit(exitFailed)
			}
			return
		}
	}
	os.Exit(conduct(os.Args[1:], os.Stdout, os.Stderr))
}

// roles maps a first argument to the part it asks for. A role says "ready" on
// out when it is, and does what else it does when a line comes on in.
var roles = map[string]func(args []string, in io.Reader, out io.Writer) error{
	roleTarget: runTarget,
	rolePaced:  runPaced,
	roleHold:   runHold,
}

// options are the command line of the conductor.
type options struct {
	short       bool
	only        []string
	rounds      int
	seconds     int
	contestants []string
	elbow       string
	results     string
	keep        bool
	proxyCPUs   cpuSet
	loadCPUs    cpuSet
}

func parseOptions(args []string, stderr io.Writer, online cpuSet) (options, error) {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.BoolVar(&o.short, "short", false, "prove that everything works: one round of one second per case, no judging, no results written")
	only := fs.String("only", "", "comma-separated `cases` to run (default: all): "+strings.Join(caseNames(), ", "))
	fs.IntVar(&o.rounds, "rounds", 5, "interleaved rounds per case")
	fs.IntVar(&o.seconds, "seconds", 5, "measured seconds per contestant and round, after one second of warm-up")
	who := fs.String("contestants", "elbow,haproxy,nginx", "comma-separated `names` of who takes part")
	fs.StringVar(&o.elbow, "elbow", "", "the elbow binary (default: bin/elbow of this repository)")
	fs.StringVar(&o.results, "results", "", "`directory` for the dated report (default: bench/results of this repository for a run of all cases and contestants, else none)")
	fs.BoolVar(&o.keep, "keep", false, "keep the temporary directory with the generated configurations and logs")
	proxyCPUs := fs.String("proxy-cpus", "", "`list` of processors for the contestant under test (default: the second, e.g. 1)")
	loadCPUs := fs.String("load-cpus", "", "`list` of processors for load generator and target (default: the first, e.g. 0)")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if o.rounds < 1 || o.seconds < 1 {
		return o, errors.New("-rounds and -seconds must be at least 1")
	}
	if o.short {
		o.rounds, o.seconds = 1, 1
	}
	var err error
	if o.only, err = choose("case", *only, caseNames()); err != nil {
		return o, err
	}
	if o.contestants, err = choose("contestant", *who, contestantNames()); err != nil {
		return o, err
	}
	o.proxyCPUs, o.loadCPUs = defaultPlacement(online)
	if *proxyCPUs != "" {
		if o.proxyCPUs, err = parseCPUSet(*proxyCPUs); err != nil {
			return o, fmt.Errorf("-proxy-cpus: %w", err)
		}
	}
	if *loadCPUs != "" {
		if o.loadCPUs, err = parseCPUSet(*loadCPUs); err != nil {
			return o, fmt.Errorf("-load-cpus: %w", err)
		}
	}
	return o, nil
}

// choose splits a comma-separated list and checks each word against what there
// is. An empty list is all of it; the order is always that of all.
func choose(what, list string, all []string) ([]string, error) {
	if list == "" {
		return all, nil
	}
	wanted := map[string]bool{}
	for _, name := range strings.Split(list, ",") {
		wanted[strings.TrimSpace(name)] = true
	}
	var chosen []string
	for _, name := range all {
		if wanted[name] {
			chosen = append(chosen, name)
			delete(wanted, name)
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("no %s %q; there are: %s", what, name, strings.Join(all, ", "))
	}
	return chosen, nil
}

func conduct(args []string, stdout, stderr io.Writer) int {
	online, err := onlineCPUs()
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitFailed
	}
	opt, err := parseOptions(args, stderr, online)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, opt, online, args, stdout, stderr); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		fmt.Fprintf(stderr, "bench: %v\n", err)
		if errors.Is(err, errMissing) {
			return exitUsage
		}
		return exitFailed
	}
	return 0
}

// run is the whole benchmark, from looking for the contestants to writing the
// report. Whatever it started is gone when it returns.
func run(ctx context.Context, opt options, online cpuSet, args []string, stdout, stderr io.Writer) (err error) {
	root, err := repositoryRoot()
	if err != nil {
		return err
	}
	if opt.elbow == "" {
		opt.elbow = filepath.Join(root, "bin", "elbow")
	}
	field, skipped, err := line(ctx, opt)
	if err != nil {
		return err
	}
	for _, s := range skipped {
		fmt.Fprintf(stdout, "SKIP %s: %s\n", s.Name, s.Reason)
	}
	if len(field) == 0 {
		fmt.Fprintln(stdout, "nobody takes part")
		return nil
	}
	if err := raiseFileLimit(); err != nil {
		return err
	}
	// The conductor itself stays off the contestants' processor.
	if err := setAffinity(os.Getpid(), opt.loadCPUs); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "elbow-bench-")
	if err != nil {
		return err
	}
	if opt.keep {
		fmt.Fprintf(stdout, "configurations and logs: %s\n", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}

	b := &bencher{opt: opt, online: online, field: field, dir: dir, progress: stderr}
	defer b.close()
	if err := b.startTarget(ctx); err != nil {
		return err
	}
	rep := report{
		Started:  time.Now(),
		Commit:   commit(ctx, root),
		Command:  strings.TrimSpace("go run ./bench " + strings.Join(args, " ")),
		Machine:  describeMachine(),
		Versions: versions(field),
		Skipped:  skipped,
		Rounds:   opt.rounds,
		Seconds:  opt.seconds,
		Proxy:    opt.proxyCPUs.String(),
		Load:     opt.loadCPUs.String(),
		Short:    opt.short,
	}
	if rep.Direct, err = b.measureDirect(ctx); err != nil {
		return err
	}
	failed := 0
	for _, c := range cases {
		if !contains(opt.only, c.name) {
			continue
		}
		res, err := b.runCase(ctx, c)
		if err != nil {
			return fmt.Errorf("case %s: %w", c.name, err)
		}
		failed += res.failures()
		rep.Cases = append(rep.Cases, res)
		rep.writeCase(stdout, &res)
	}
	rep.writeSummary(stdout)
	if dir := resultsDir(opt, root); dir != "" {
		path, err := rep.save(dir)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "written: %s.md and .json\n", path)
	}
	if failed > 0 {
		return fmt.Errorf("%d rounds had failed requests: their figures mean nothing", failed)
	}
	return nil
}

// resultsDir is where the report goes; empty when it is not kept. A part of the
// cases or contestants must not take the place of a whole report.
func resultsDir(opt options, root string) string {
	switch {
	case opt.results != "":
		return opt.results
	case opt.short, len(opt.only) < len(cases), len(opt.contestants) < len(contestantNames()):
		return ""
	}
	return filepath.Join(root, "bench", "results")
}

// repositoryRoot is the nearest directory upwards that holds the go.mod.
func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("no go.mod in %s or above: run it inside the repository", dir)
		}
	}
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// self is the argument vector that starts this program again in a role.
func self(role string, args ...any) ([]string, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	argv := []string{exe, role}
	for _, a := range args {
		switch v := a.(type) {
		case int:
			argv = append(argv, strconv.Itoa(v))
		default:
			argv = append(argv, fmt.Sprint(v))
		}
	}
	return argv, nil
}

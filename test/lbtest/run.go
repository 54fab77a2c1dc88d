package lbtest

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a verb waits for what it expects. It is reached only
// when the script fails.
const patience = 10 * time.Second

// Options says what a script runs against.
type Options struct {
	// Binary is the elbow binary to run as a daemon; "" runs the load balancer
	// in this process. A script that moves the clock needs the latter.
	Binary string
}

// Run runs the script in the file, as t.
func Run(t *testing.T, file string, opt Options) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseScript(data)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if err := s.run(file, opt); err != nil {
		t.Error(err)
	}
}

// RunsOn tells where the script in the file can run. One that moves the clock
// needs a load balancer in this process; one that edits the watched file or
// sends signals needs a daemon. All others run on both.
func RunsOn(file string) (inProcess, daemon bool, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return false, false, err
	}
	s, err := ParseScript(data)
	if err != nil {
		return false, false, fmt.Errorf("%s: %w", file, err)
	}
	inProcess = !s.Uses("lb", "edit") && !s.Uses("lb", "signal")
	daemon = !s.Uses("clock")
	if !inProcess && !daemon {
		return false, false, fmt.Errorf("%s: can run nowhere: it moves the clock, and needs the daemon", file)
	}
	return inProcess, daemon, nil
}

// run is one run of a script: its actors and what they did.
type run struct {
	script  *Script
	opt     Options
	dir     string
	clock   *scriptClock // nil: real time
	began   time.Time
	targets map[string]*target
	clients map[string]*client
	lb      loadBalancer
	ports   map[string]*reservation
	drains  sync.WaitGroup

	mu         sync.Mutex // guards the fields below
	changed    chan struct{}
	transcript []string
	faults     []error // what an actor found wrong by itself
}

// A verb carries out one command.
type verb func(r *run, args []string, background bool) error

var verbs map[string]verb

func init() {
	verbs = map[string]verb{
		"servers": (*run).verbServers,
		"server":  (*run).verbServer,
		"client":  (*run).verbClient,
		"expect":  (*run).verbExpect,
		"lb":      (*run).verbLB,
		"wait":    (*run).verbWait,
		"health":  (*run).verbHealth,
		"clock":   (*run).verbClock,
		"metric":  (*run).verbMetric,
		"log":     (*run).verbLog,
		"logfile": (*run).verbLogFile,
		"status":  (*run).verbStatus,
	}
}

// run runs all commands and returns the first failure, explained.
func (s *Script) run(file string, opt Options) (err error) {
	dir, err := os.MkdirTemp("", "lbtest") // short: a unix socket lives in it
	if err != nil {
		return err
	}
	r := &run{
		script: s, opt: opt, dir: dir, began: time.Now(),
		targets: map[string]*target{}, clients: map[string]*client{}, ports: map[string]*reservation{},
		changed: make(chan struct{}),
	}
	if s.Uses("clock") {
		if opt.Binary != "" {
			return errors.New("a script that moves the clock cannot run against the daemon")
		}
		r.clock = newScriptClock()
	}
	var at *command
	defer func() {
		if closed := r.close(); err == nil {
			err = closed
		}
		if err == nil {
			return
		}
		where := file
		if at != nil {
			where = fmt.Sprintf("%s:%d: %s", file, at.line, at.text)
		}
		err = fmt.Errorf("%s\n  %s\nRequirement: %s\nTranscript:\n  %s", where,
			strings.ReplaceAll(err.Error(), "\n", "\n  "), s.Requirement, strings.Join(r.transcript, "\n  "))
	}()
	for i := range s.commands {
		at = &s.commands[i]
		r.record("script", "%s", at.text)
		args, err := r.expandWords(at.words)
		if err != nil {
			return err
		}
		do := verbs[args[0]]
		if do == nil {
			return fmt.Errorf("unknown verb %s", args[0])
		}
		if err := do(r, args[1:], at.background); err != nil {
			return err
		}
		if err := r.fault(); err != nil {
			return err
		}
	}
	at = nil
	return r.finish()
}

// finish is the end of a script that went well so far: what was begun in the
// background must end well, too.
func (r *run) finish() error {
	for _, c := range r.clients {
		if err := c.settle(); err != nil {
			return err
		}
	}
	return r.fault()
}

// close ends all actors, in the order in which none misses another.
func (r *run) close() error {
	for _, c := range r.clients {
		c.end()
	}
	for _, t := range r.targets {
		t.end()
	}
	var err error
	if r.lb != nil {
		r.drains.Wait()
		err = r.lb.close()
	}
	for _, c := range r.clients {
		<-c.idle()
	}
	for _, t := range r.targets {
		t.running.Wait()
	}
	for _, p := range r.ports {
		p.release()
	}
	os.RemoveAll(r.dir)
	return err
}

// record adds a line to the transcript and tells whoever waits that something
// happened.
func (r *run) record(who, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.transcript = append(r.transcript,
		fmt.Sprintf("%8.3fs %-8s %s", time.Since(r.began).Seconds(), who, fmt.Sprintf(format, args...)))
	r.notifyLocked()
}

// notify tells whoever waits that something happened.
func (r *run) notify() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notifyLocked()
}

func (r *run) notifyLocked() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// fail keeps what an actor found wrong by itself; the script fails by it.
func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, err)
	r.notifyLocked()
}

func (r *run) fault() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.faults...)
}

// pollInterval is how often a condition is looked at that nobody announces:
// health, metrics, a log file.
const pollInterval = 3 * time.Millisecond

// until waits for cond to return nil; its last error is the reason why not.
func (r *run) until(cond func() error) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		err := cond()
		if err == nil {
			return nil
		}
		if fault := r.fault(); fault != nil {
			return fault
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-limit.C:
			return fmt.Errorf("%w (waited %v)", err, patience)
		}
	}
}

// variable is $name or $name.part.
var variable = regexp.MustCompile(`\$([a-z][a-z0-9]*)(\.[a-z]+)?`)

func (r *run) expandWords(words []word) ([]string, error) {
	var out []string
	for _, w := range words {
		text := w.text
		if !w.literal {
			var err error
			if text, err = r.expand(w.text); err != nil {
				return nil, err
			}
		}
		out = append(out, text)
	}
	return out, nil
}

// expand puts values for variables: $port1, $port2… are ports that are free for
// the load balancer; $s1 is the address of server s1, $s1.ip and $s1.port its
// parts; $dir is the run's directory.
func (r *run) expand(text string) (string, error) {
	var failed error
	text = variable.ReplaceAllStringFunc(text, func(v string) string {
		name, part, _ := strings.Cut(v[1:], ".")
		if t := r.targets[name]; t != nil {
			switch part {
			case "":
				return t.addr.String()
			case "ip":
				return t.addr.Addr().String()
			case "port":
				return fmt.Sprint(t.addr.Port())
			}
		}
		if part == "" || r.targets[name] == nil {
			rest := ""
			if part != "" {
				rest = "." + part // not ours: "$port1.html"
			}
			switch {
			case name == "dir":
				return r.dir + rest
			case strings.HasPrefix(name, "port"):
				p, err := r.port(name)
				if err != nil {
					failed = err
				}
				return fmt.Sprint(p) + rest
			}
		}
		failed = fmt.Errorf("unknown variable %s: there are $port1, $port2…, $dir, and $s1, $s1.ip, $s1.port for a server s1", v)
		return v
	})
	return text, failed
}

// file writes a file of the archive, expanded, into the run's directory under
// the name as, and returns its path. It appears at once and whole.
func (r *run) file(name, as string) (string, error) {
	text, ok := r.script.archive.File(name)
	if !ok {
		return "", fmt.Errorf("there is no file %s in the script", name)
	}
	text, err := r.expand(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	for _, line := range []string{
		"admin: {socket: " + filepath.Join(r.dir, "admin.sock") + "}",
		"access_log: {file: " + filepath.Join(r.dir, "access.log") + "}",
	} {
		key, _, _ := strings.Cut(line, " ")
		if !regexp.MustCompile(`(?m)^` + key).MatchString(text) {
			text = strings.TrimRight(text, "\n") + "\n" + line + "\n"
		}
	}
	path := filepath.Join(r.dir, as)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
}

// matches tells whether seen is what a script wants: "~expression" is a regular
// expression, "low..high" a range of numbers, "!" in front negates, anything
// else is the text itself.
func matches(want, seen string) (bool, error) {
	if rest, ok := strings.CutPrefix(want, "!"); ok {
		m, err := matches(rest, seen)
		return !m, err
	}
	if expr, ok := strings.CutPrefix(want, "~"); ok {
		re, err := regexp.Compile("(?s)" + expr)
		if err != nil {
			return false, err
		}
		return re.MatchString(seen), nil
	}
	if low, high, ok := strings.Cut(want, ".."); ok {
		var a, b, n float64
		if _, err := fmt.Sscanf(low+" "+high+" "+seen, "%g %g %g", &a, &b, &n); err == nil {
			return a <= n && n <= b, nil
		}
	}
	return want == seen, nil
}

// check is matches as an error.
func check(what, want, seen string) error {
	ok, err := matches(want, seen)
	if err != nil || ok {
		return err
	}
	return fmt.Errorf("expected %s %q\nseen %s", what, want, brief(seen))
}

// parseAddr is netip.ParseAddr for an address with or without brackets.
func parseAddr(s string) (netip.Addr, error) { return netip.ParseAddr(strings.Trim(s, "[]")) }

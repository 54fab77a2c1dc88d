package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/control"
	"github.com/elbow-lb/elbow/test/lbtest"
)

// Elbow is the product's own data path in this process, with a listener and a
// target for every lane and profile, and an access log.
type Elbow struct {
	Lanes []Lane

	// Unavailable are profiles that the configuration refuses, with the reason.
	Unavailable map[string]error

	control  *control.Controller
	log      string
	releases []func()

	mu     sync.Mutex // guards panics
	panics []string
}

// ErrUnavailable is what StartElbow returns, wrapped, where no configuration is
// accepted in a mode.
var ErrUnavailable = errors.New("the configuration has no mode")

// StartElbow starts it with so many lanes in a mode of desync mitigation. dir is
// for the access log. Close ends it.
func StartElbow(dir, mode string, lanes int) (*Elbow, error) {
	e := &Elbow{Unavailable: map[string]error{}, log: filepath.Join(dir, "access.log")}
	var names []string
	for _, p := range Profiles() {
		name := p.Name
		// Each by itself, so that one that is refused does not cost the others.
		if _, err := parse(e.text([]string{p.one(mode, name, 1, "127.0.0.1:1")})); err != nil {
			e.Unavailable[name] = err
			continue
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w %s: %w", ErrUnavailable, mode, e.Unavailable["plain"])
	}
	var parts []string
	for i := range lanes {
		lane := Lane{}
		for _, name := range names {
			t, err := NewTarget()
			if err != nil {
				e.Close()
				return nil, err
			}
			addr, part, err := e.place(profiles[name], mode, fmt.Sprintf("%s-%d", name, i), t.Addr())
			if err != nil {
				t.Close()
				e.Close()
				return nil, err
			}
			lane[name] = Endpoint{Addr: addr, Target: t}
			parts = append(parts, part)
		}
		e.Lanes = append(e.Lanes, lane)
	}
	if err := e.start(parts); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// startInFrontOf starts it with one listener, which forwards everything to the
// target at the address. It returns the listener's.
func startInFrontOf(dir, target string) (e *Elbow, addr string, err error) {
	e = &Elbow{log: filepath.Join(dir, "access.log")}
	addr, part, err := e.place(profiles["plain"], defaultMode, "plain", target)
	if err == nil {
		err = e.start([]string{part})
	}
	if err != nil {
		e.Close()
		return nil, "", err
	}
	return e, addr, nil
}

// place reserves a port for a listener of p, and returns its address and its
// part of the configuration.
func (e *Elbow) place(p *Profile, mode, name, target string) (addr, part string, err error) {
	port, release, err := lbtest.ReservePort()
	if err != nil {
		return "", "", err
	}
	e.releases = append(e.releases, release)
	return fmt.Sprintf("127.0.0.1:%d", port), p.one(mode, name, int(port), target), nil
}

// start starts the data path with a configuration of these parts.
func (e *Elbow) start(parts []string) error {
	model, err := parse(e.text(parts))
	if err != nil {
		return err
	}
	e.control, err = control.New(control.Options{
		Load:  func() (*config.Model, config.Diagnostics) { return model, nil },
		Log:   zap.New(zapcore.RegisterHooks(discard, e.heard)),
		Loops: 2, Version: "gate",
	})
	if err != nil {
		return err
	}
	return e.control.Reload(context.Background())
}

// discard takes errors, so that hooks are told of them, and drops them.
var discard = zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(io.Discard), zap.ErrorLevel)

// separator parts the two halves of a profile's configuration.
const separator = "\x00"

// one is the configuration of p on one lane: load balancer, separator, target
// group.
func (p *Profile) one(mode, name string, port int, target string) string {
	lb, group := p.yaml(name, mode, port, target)
	return lb + separator + group
}

func (e *Elbow) text(parts []string) string {
	var lbs, groups strings.Builder
	for _, p := range parts {
		lb, group, _ := strings.Cut(p, separator)
		lbs.WriteString(lb)
		groups.WriteString(group)
	}
	return fmt.Sprintf("version: 1\naccess_log: {file: %s, format: json}\nload_balancers:\n%starget_groups:\n%s", e.log, &lbs, &groups)
}

func parse(text string) (*config.Model, error) {
	m, diags := config.Parse("gate.yaml", []byte(text), nil)
	if m == nil {
		return nil, diags
	}
	return m, nil
}

// heard is told of every entry of the daemon's log. A panic costs only its
// connection; here it is a failure.
func (e *Elbow) heard(entry zapcore.Entry) error {
	if strings.HasPrefix(entry.Message, "panic") {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.panics = append(e.panics, entry.Message)
	}
	return nil
}

// Close ends everything. Its error tells of panics.
func (e *Elbow) Close() error {
	if e.control != nil {
		e.control.Close()
	}
	for _, l := range e.Lanes {
		for _, p := range l {
			p.Target.Close()
		}
	}
	for _, release := range e.releases {
		release()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.panics) > 0 {
		return errors.New(strings.Join(e.panics, "\n"))
	}
	return nil
}

// Read gives every observation its lines of the access log. It is called after
// Close, which writes the last of them.
func (e *Elbow) Read(seen []*Observation) error {
	all, err := e.lines()
	if err != nil {
		return err
	}
	// Lines of a connection have its id in common. Its client is the peer in the
	// line of the runner's own request, if not in all: a trusted proxy may name
	// another in others.
	byConn, conns := map[string][]map[string]any{}, map[string]string{}
	for _, l := range all {
		id := text(l["conn_trace_id"])
		byConn[id] = append(byConn[id], l)
		conns[text(l["client_ip"])] = id
	}
	for _, o := range seen {
		o.Logged, o.Log = true, byConn[conns[o.Client.String()]]
	}
	return nil
}

// lines reads the access log.
func (e *Elbow) lines() (all []map[string]any, err error) {
	data, err := os.ReadFile(e.log)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(data) {
		l := map[string]any{}
		if err := json.Unmarshal(line, &l); err != nil {
			return nil, fmt.Errorf("access log: %w: %.300q", err, line)
		}
		all = append(all, l)
	}
	return all, nil
}

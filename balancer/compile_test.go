package balancer

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/elbow-lb/elbow/balancer/rule"
	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
	"github.com/elbow-lb/elbow/internal/httpmsg"
	"github.com/elbow-lb/elbow/internal/metrics"
)

// The parsed head of a request is what header rules look at.
var _ rule.HeaderSource = (*httpmsg.Head)(nil)

func addrs(s ...string) (out []netip.Addr) {
	for _, a := range s {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

// binds describes the binds of a snapshot: slot, address, zone.
func binds(s *Snapshot) string {
	var out []string
	for i, b := range s.Binds {
		if b == nil {
			out = append(out, fmt.Sprintf("%d -", i))
		} else {
			out = append(out, fmt.Sprintf("%d %s zone %d", b.Slot, b.Addr, b.Zone))
		}
	}
	return strings.Join(out, ", ")
}

func TestBinds(t *testing.T) {
	zones := []config.Zone{{Name: "a", Addresses: addrs("192.0.2.10", "2001:db8::10")}, {Name: "b", Addresses: addrs("192.0.2.20")}}
	f := func(name string, zones []config.Zone, lbZones []int, address string, want string) {
		t.Helper()
		m := model(zones)
		m.LoadBalancers[0].Zones = lbZones
		if address != "" {
			m.LoadBalancers[0].Listeners[0].Address = netip.MustParseAddr(address)
		}
		if got := binds(Compile(m, nil, testEnv)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	f("no zones: all addresses", nil, nil, "", "0 [::]:80 zone -1")
	f("zones without addresses: all addresses", twoZones, nil, "", "0 [::]:80 zone -1")
	f("every address of every zone", zones, nil, "", "0 192.0.2.10:80 zone 0, 1 [2001:db8::10]:80 zone 0, 2 192.0.2.20:80 zone 1")
	f("the load balancer's zones only", zones, []int{1}, "", "0 192.0.2.20:80 zone 1")
	f("the listener's address", zones, nil, "127.0.0.1", "0 127.0.0.1:80 zone -1")
	f("the listener's address is a zone's", zones, nil, "192.0.2.20", "0 192.0.2.20:80 zone 1")
}

// A slot stays with its address, and is never given to another one.
func TestSlotsAreStable(t *testing.T) {
	var s *Snapshot
	f := func(what, addresses, want string) {
		t.Helper()
		zones := []config.Zone{{Name: "a", Addresses: addrs(strings.Fields(addresses)...)}}
		s = Compile(model(zones), s, testEnv)
		if got := binds(s); got != want {
			t.Errorf("%s:\n got %s\nwant %s", what, got, want)
		}
	}
	f("first", "10.0.0.1 10.0.0.2", "0 10.0.0.1:80 zone 0, 1 10.0.0.2:80 zone 0")
	f("another order", "10.0.0.2 10.0.0.1", "0 10.0.0.1:80 zone 0, 1 10.0.0.2:80 zone 0")
	f("one goes, one comes", "10.0.0.2 10.0.0.3", "0 -, 1 10.0.0.2:80 zone 0, 2 10.0.0.3:80 zone 0")
	f("the last goes", "10.0.0.2", "0 -, 1 10.0.0.2:80 zone 0, 2 -")
	f("what comes again gets a new slot", "10.0.0.2 10.0.0.3", "0 -, 1 10.0.0.2:80 zone 0, 2 -, 3 10.0.0.3:80 zone 0")

	for slot, want := range map[int]bool{-1: false, 0: false, 1: true, 2: false, 3: true, 4: false, 1 << 40: false} {
		if got := s.Bind(slot) != nil; got != want {
			t.Errorf("Bind(%d): got %t, want %t", slot, got, want)
		}
	}
}

func TestCompileActions(t *testing.T) {
	api, web := groupOf("api", 1), groupOf("web", 2)
	m := model(nil, api, web, groupOf("spare", 1))
	l := m.LoadBalancers[0].Listeners[0]
	l.Default = config.Actions{Type: config.Forward, Forward: &config.ForwardAction{Groups: []config.WeightedGroup{{Group: web, Weight: 9}, {Group: api, Weight: 1}}}}
	l.Rules = []*config.Rule{
		{
			Priority:   10,
			Conditions: []config.Condition{{Field: config.PathPattern, Values: []string{"/old/*"}}},
			Actions:    config.Actions{Type: config.Redirect, Redirect: &config.RedirectAction{Path: "/new", StatusCode: 302}},
		},
		{
			Priority:   20,
			Conditions: []config.Condition{{Field: config.PathPattern, Values: []string{"/ping"}}},
			Actions:    config.Actions{Type: config.FixedResponse, FixedResponse: &config.FixedResponseAction{StatusCode: 200}},
		},
		{
			Priority:   30,
			Conditions: []config.Condition{{Field: config.PathPattern, Values: []string{"/api/*"}}},
			Actions:    config.Actions{Type: config.Forward, Forward: &config.ForwardAction{Groups: []config.WeightedGroup{{Group: api, Weight: 1}}}},
		},
	}
	reg := metrics.New(1, metrics.Options{})
	env := testEnv
	env.ListenerMetrics = func(l *config.Listener) *metrics.Listener {
		return reg.Listener(l.LoadBalancer.Name, fmt.Sprintf("%s:%d", l.Protocol, l.Port))
	}
	env.GroupMetrics = func(g *config.TargetGroup) *metrics.Group { return reg.Group(g.Name) }
	s := Compile(m, nil, env)

	got := s.Bind(0).Listener
	if got != s.Listeners[0] || got.Name != "web/HTTP:80" || got.Metrics != reg.Listener("web", "HTTP:80") || got.LoadBalancer != m.LoadBalancers[0] {
		t.Errorf("listener %+v", got)
	}
	action := func(path string) *Action {
		return got.Action(got.Rules.Match(&rule.Request{Host: []byte("h"), Path: []byte(path)}))
	}
	if a := action("/old/x"); a.Type != config.Redirect || a.Priority != 10 || a.Redirect.StatusCode != 302 {
		t.Errorf("redirect: %+v", a)
	}
	if a := action("/ping"); a.Type != config.FixedResponse || a.Priority != 20 || a.Fixed.StatusCode != 200 {
		t.Errorf("fixed response: %+v", a)
	}
	if a := action("/api/x"); a.Type != config.Forward || a.Priority != 30 || a.Forward.Choose(0).Group != s.Group("api") {
		t.Errorf("forward: %+v", a)
	}
	if a := action("/"); a != &got.Default || a.Priority != 0 || a.Forward.Choose(0).Group != s.Group("web") || a.Forward.Choose(1<<64-1).Group != s.Group("api") {
		t.Errorf("default: %+v", a)
	}

	if g := s.Group("web"); g.Metrics != reg.Group("web") || len(g.LoadBalancers) != 1 || g.LoadBalancers[0] != m.LoadBalancers[0] {
		t.Errorf("web: %+v", g)
	}
	if g := s.Group("spare"); len(g.LoadBalancers) != 0 {
		t.Errorf("a group that nothing forwards to: %+v", g)
	}
	if s.Group("nope") != nil {
		t.Error("a group that is not there")
	}
}

// What belongs to a target survives the snapshot, by group and address; what
// changed its group or address is another target.
func TestStatesAreCarriedOver(t *testing.T) {
	m := model(nil, groupOf("a", 3), groupOf("b", 1))
	s1 := Compile(m, nil, testEnv)
	next := model(nil, groupOf("b", 1), groupOf("a", 2), groupOf("c", 1))
	next.TargetGroups[1].Targets[1].Port = 9090
	made := []Key{}
	env := Env{NewTargetState: func(k Key, g *config.TargetGroup, target *config.Target) *TargetState {
		if g.Name != k.Group || target.Port != k.Addr.Port() {
			t.Errorf("key %v for group %s, port %d", k, g.Name, target.Port)
		}
		made = append(made, k)
		return new(TargetState)
	}}
	s2 := Compile(next, s1, env)

	if s1.Generation != 1 || s2.Generation != 2 {
		t.Errorf("generations %d and %d", s1.Generation, s2.Generation)
	}
	want := []Key{{"a", netip.MustParseAddrPort("10.0.0.2:9090")}, {"c", netip.MustParseAddrPort("10.0.0.1:8080")}}
	if !slices.Equal(made, want) {
		t.Errorf("made %v, want %v", made, want)
	}
	if s1.Group("a").Targets[0].State != s2.Group("a").Targets[0].State || s1.Group("b").Targets[0].State != s2.Group("b").Targets[0].State {
		t.Error("a state was not carried over")
	}
	if s1.Group("a").Targets[0].State == s1.Group("b").Targets[0].State {
		t.Error("two groups share the state of one address")
	}
	var all []Key
	for target := range s2.Targets() {
		all = append(all, target.Key)
		if target.Group != s2.Group(target.Key.Group) || target.Group.Config.Name != target.Key.Group || target.Name != target.Addr.String() {
			t.Errorf("target %+v", target)
		}
	}
	if len(all) != 4 {
		t.Errorf("targets %v, want 4", all)
	}
	for range s2.Targets() {
		break // an iterator that is left early must not go on
	}
}

// Two names for one group's target, or a name and an address, are one target.
func TestNamesAreResolved(t *testing.T) {
	g := &config.TargetGroup{Name: "g", Targets: []config.Target{
		{ID: "10.0.0.2", Addr: netip.MustParseAddr("10.0.0.2"), Port: 80, Zone: config.NoZone},
		{ID: "one.test", Name: "one.test", Port: 80, Zone: config.NoZone},
		{ID: "one.test", Name: "one.test", Port: 81, Zone: config.NoZone},
		{ID: "none.test", Name: "none.test", Port: 80, Zone: config.NoZone},
		{ID: "two.test", Name: "two.test", Port: 80, Zone: config.NoZone},
	}}
	env := testEnv
	env.Resolve = func(name string) []netip.Addr {
		switch name {
		case "one.test":
			return addrs("10.0.0.9", "2001:db8::1", "10.0.0.2", "10.0.0.9", "::ffff:10.0.0.1")
		case "two.test":
			return append(addrs("10.0.0.9", "10.0.0.5"), netip.Addr{})
		}
		return nil
	}
	s := Compile(model(nil, g), nil, env)
	want := []string{
		"10.0.0.2:80", "10.0.0.1:80", "10.0.0.9:80", "[2001:db8::1]:80",
		"10.0.0.1:81", "10.0.0.2:81", "10.0.0.9:81", "[2001:db8::1]:81", "10.0.0.5:80",
	}
	if got := names(s.Groups[0].Targets); !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if got := s.Groups[0].Targets[2].ID; got != "one.test" {
		t.Errorf("id %q, want one.test", got)
	}
	if got := Compile(model(nil, g), s, testEnv); len(got.Groups[0].Targets) != 1 {
		t.Errorf("without a resolver: %v", names(got.Groups[0].Targets))
	}
}

// A change of algorithm starts a new picker; anything else keeps it.
func TestAlgorithmChange(t *testing.T) {
	s1 := Compile(model(nil, groupOf("g", 2)), nil, testEnv)
	g := groupOf("g", 2)
	g.Attributes.Algorithm = config.LeastOutstandingRequests
	s2 := Compile(model(nil, g), s1, testEnv)
	for range 2 {
		s2.Groups[0].Targets[0].State.Outstanding.Add(1)
	}
	for range 10 {
		if got := s2.Groups[0].Pick(&Pick{Zone: config.NoZone}); got != s2.Groups[0].Targets[1] {
			t.Fatalf("picked %s", got.Name)
		}
	}
}

// The same model compiled again, as for a name's other addresses, shares what is
// compiled of its rules; another model does not, even if it says the same.
func TestRulesAreKept(t *testing.T) {
	m := model(nil, groupOf("g", 1))
	s1 := Compile(m, nil, testEnv)
	if Compile(m, s1, testEnv).Listeners[0].Rules != s1.Listeners[0].Rules {
		t.Error("the rules of one model were compiled twice")
	}
	if Compile(model(nil, groupOf("g", 1)), s1, testEnv).Listeners[0].Rules == s1.Listeners[0].Rules {
		t.Error("two models share their rules")
	}
}

func TestLive(t *testing.T) {
	var l Live
	if l.Load() != nil {
		t.Error("a new Live holds a snapshot")
	}
	l.HealthChanged(Key{Group: "g"}) // before the first Swap: ignored
	s1 := Compile(model(nil, groupOf("g", 2)), nil, testEnv)
	if l.Swap(s1) != nil || l.Load() != s1 {
		t.Error("the first Swap")
	}
	target := s1.Groups[0].Targets[1]
	setHealth(target, health.StateHealthy)
	l.HealthChanged(Key{Group: "other"})
	if !s1.Groups[0].FailOpen() {
		t.Error("an edge of another group refreshed this one")
	}
	l.HealthChanged(target.Key)
	if s1.Groups[0].FailOpen() || s1.Groups[0].Pick(&Pick{Zone: config.NoZone}) != target {
		t.Error("the edge had no effect")
	}

	// Between Compile and Swap an edge goes to the old snapshot; Swap makes up for it.
	s2 := Compile(model(nil, groupOf("g", 2)), s1, testEnv)
	setHealth(target, health.StateUnhealthy)
	l.HealthChanged(target.Key)
	if s2.Groups[0].FailOpen() {
		t.Error("the edge reached a snapshot that is not published")
	}
	if l.Swap(s2) != s1 || !s2.Groups[0].FailOpen() {
		t.Error("the edge was lost in the Swap")
	}
}

// Edges, reloads and picks at once: when all is quiet, the eligible set is that
// of the last health, whatever order things happened in.
func TestLiveUnderConcurrency(t *testing.T) {
	var l Live
	m := model(nil, groupOf("g", 8))
	l.Swap(Compile(m, nil, testEnv))
	all := l.Load().Groups[0].Targets
	var wg, picks sync.WaitGroup
	stop := make(chan struct{})
	picks.Go(func() {
		for random := uint64(1); ; random = mix(random) {
			select {
			case <-stop:
				return
			default:
				if l.Load().Groups[0].Pick(&Pick{Random: random, Zone: config.NoZone}) == nil {
					t.Error("no target")
					return
				}
			}
		}
	})
	for i := range 4 {
		wg.Go(func() {
			for n := range 300 {
				for _, target := range all[2*i : 2*i+2] {
					setHealth(target, []health.State{health.StateHealthy, health.StateUnhealthy}[(n+i)%2])
					l.HealthChanged(target.Key)
				}
			}
		})
	}
	wg.Go(func() {
		for range 100 {
			l.Swap(Compile(m, l.Load(), testEnv))
		}
	})
	wg.Wait()
	close(stop)
	picks.Wait()
	g := l.Load().Groups[0]
	want := 0
	for _, target := range g.Targets {
		if target.State.Health.State() == health.StateHealthy {
			want++
		}
	}
	if got := len(g.eligible.Load().all.targets); got != want || g.Counts().Healthy != want {
		t.Errorf("%d eligible, %d counted, want %d", got, g.Counts().Healthy, want)
	}
}

package balancer

import (
	"slices"
	"time"

	"github.com/elbow-lb/elbow/balancer/sticky"
	"github.com/elbow-lb/elbow/config"
)

// Stickiness of a Group or a Forward: what its cookies say, and how long they
// are good for. The zero value is off.
type Stickiness struct {
	Kind          sticky.Kind // 0: off
	AppCookieName string      // the cookie of the application, where Kind is sticky.Application

	keys     *sticky.Keys
	scope    uint64 // of tokens
	duration time.Duration
}

// On tells whether clients stay.
func (s *Stickiness) On() bool { return s.Kind != 0 }

// Read returns what the value of a cookie names at the Unix time now, in
// seconds, for Stuck. It is false when the value is not one of ours, is of
// something else, or is too old. room is scratch space.
func (s *Stickiness) Read(value []byte, now int64, room *sticky.Scratch) (key uint64, ok bool) {
	t, ok := s.keys.Open(value, room)
	return t.Key, ok && t.Kind == s.Kind && t.Scope == s.scope && t.Fresh(now, s.duration)
}

// stick gives a target its cookie. What stands in cookies are names: they mean
// the same on every node and after every reload.
func (c *compiler) stick(g *Group, t *Target) {
	a := &g.Config.Attributes.Stickiness
	if !a.Enabled || c.env.Sticky == nil {
		return
	}
	s := &g.Stickiness
	*s = Stickiness{Kind: sticky.Target, keys: c.env.Sticky, scope: sticky.ID(g.Name), duration: a.LBCookieDuration}
	if a.Type == config.AppCookie {
		s.Kind, s.AppCookieName, s.duration = sticky.Application, a.AppCookieName, a.AppCookieDuration
	}
	t.cookieKey = sticky.ID(t.Name)
	t.Cookie = sticky.NewIssuer(c.env.Sticky, sticky.Token{Kind: s.Kind, Scope: s.scope, Key: t.cookieKey})
}

// stickForward gives the groups of a forward action their cookies. An action is
// known by its groups, so that its place among the rules may change.
func (c *compiler) stickForward(f *Forward, duration time.Duration) {
	if duration == 0 || len(f.Groups) < 2 || c.env.Sticky == nil {
		return
	}
	var names []string
	for _, w := range f.Groups {
		names = append(names, w.Group.Name)
	}
	slices.Sort(names)
	f.Stickiness = Stickiness{Kind: sticky.Group, keys: c.env.Sticky, scope: sticky.ID(names...), duration: duration}
	for i := range f.Groups {
		w := &f.Groups[i]
		w.cookieKey = sticky.ID(w.Group.Name)
		w.Cookie = sticky.NewIssuer(c.env.Sticky, sticky.Token{Kind: sticky.Group, Scope: f.Stickiness.scope, Key: w.cookieKey})
	}
}

// Stuck returns the target that a token names, or nil when it is not one of the
// eligible ones: then the client gets another. key is what Stickiness.Read gave.
func (g *Group) Stuck(key uint64) *Target { return g.eligible.Load().byCookie[key] }

// Stuck returns the group that a token names, or nil when it is none of the
// action's, has weight 0, or has its work done by others.
func (f *Forward) Stuck(key uint64) *WeightedGroup {
	for i := range f.Groups {
		if w := &f.Groups[i]; w.cookieKey == key && w.Weight > 0 && !w.failedOver() {
			return w
		}
	}
	return nil
}

// byCookie indexes the targets of a group with stickiness.
func byCookie(g *Group, targets []*Target) map[uint64]*Target {
	if !g.Stickiness.On() {
		return nil
	}
	m := make(map[uint64]*Target, len(targets))
	for _, t := range targets {
		m[t.cookieKey] = t
	}
	return m
}

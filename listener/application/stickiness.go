package application

import (
	"time"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/balancer/sticky"
	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// chooseGroup returns the target group that the client's cookie names, else one
// by weight; nil when none has any.
func (x *exchange) chooseGroup(f *balancer.Forward, random uint64) *balancer.WeightedGroup {
	if f.Stickiness.On() {
		if key, ok := x.readCookie(&f.Stickiness); ok {
			if w := f.Stuck(key); w != nil {
				return w
			}
		}
	}
	return f.Choose(random)
}

// chooseTarget returns the target that the client's cookie names, while it takes
// work, else one by the group's algorithm; nil when there is none.
func (x *exchange) chooseTarget(pick *balancer.Pick) *balancer.Target {
	if s := &x.group.Stickiness; s.On() {
		if key, ok := x.readCookie(s); ok {
			if t := x.group.Stuck(key); t != nil {
				return t
			}
		}
		x.counters.NonSticky.Inc()
	}
	return x.group.Pick(pick)
}

// cookieNames are the cookies that hold a token of a kind, the one that wins
// first (ALB user guide, "Sticky sessions").
var cookieNames = [...][2]string{
	sticky.Target:      {sticky.TargetCORSCookie, sticky.TargetCookie},
	sticky.Application: {sticky.ApplicationCookie},
	sticky.Group:       {sticky.GroupCORSCookie, sticky.GroupCookie},
}

// readCookie returns what the client's cookie for s names. A cookie that is too
// old, or not what we gave, is as good as none. An application's stickiness holds
// only while the application's own cookie comes along.
func (x *exchange) readCookie(s *balancer.Stickiness) (key uint64, ok bool) {
	names := &cookieNames[s.Kind]
	var values [len(names)][]byte
	application := s.Kind != sticky.Application
	for v, i := x.req.Next(httpmsg.FieldCookie, 0); i >= 0; v, i = x.req.Next(httpmsg.FieldCookie, i) {
		sticky.Cookies(v, func(name, value []byte) bool {
			switch string(name) {
			case names[0]:
				values[0] = value
			case names[1]:
				values[1] = value
			case s.AppCookieName:
				application = true
			}
			return true
		})
	}
	if !application {
		return 0, false
	}
	now := x.unixNow() / int64(time.Second)
	for _, v := range values {
		if key, ok := s.Read(v, now, &x.room); ok {
			return key, true
		}
	}
	return 0, false
}

// addCookies adds the Set-Cookie lines that keep the client where it is. They
// count from each response anew, except the application's, which counts from when
// the target set its own cookie.
func (x *exchange) addCookies() {
	now := x.unixNow() / int64(time.Second)
	if x.weighted != nil && x.weighted.Cookie != nil {
		x.add(x.weighted.Cookie.Lines(now))
	}
	if x.target.Cookie == nil {
		return
	}
	if s := &x.group.Stickiness; s.Kind == sticky.Application && !x.setsCookie(s.AppCookieName) {
		return
	}
	x.add(x.target.Cookie.Lines(now))
}

// setsCookie tells whether the target's response sets a cookie.
func (x *exchange) setsCookie(name string) bool {
	for v, i := x.res.Next(httpmsg.FieldSetCookie, 0); i >= 0; v, i = x.res.Next(httpmsg.FieldSetCookie, i) {
		if sticky.Sets(v, name) {
			return true
		}
	}
	return false
}

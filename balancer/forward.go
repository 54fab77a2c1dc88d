package balancer

import "github.com/elbow-lb/elbow/balancer/sticky"

// Forward is a compiled forward action: target groups with weights. It never
// changes.
type Forward struct {
	Groups     []WeightedGroup
	Stickiness Stickiness // of clients to one of several groups
	total      uint64
}

// WeightedGroup is one target group of a Forward.
type WeightedGroup struct {
	Group  *Group
	Weight int    // 0 to 999; 0 takes nothing
	below  uint64 // this weight and those before it

	failover bool // the Group's elbow.failover.enabled

	// Cookie keeps clients with the group; nil without stickiness.
	Cookie    *sticky.Issuer
	cookieKey uint64 // what cookies call the group
}

func newForward(groups []WeightedGroup) *Forward {
	f := &Forward{Groups: groups}
	for i := range f.Groups {
		f.total += uint64(max(f.Groups[i].Weight, 0))
		f.Groups[i].below = f.total
	}
	return f
}

// Choose returns a target group, each as often as its weight says, or nil when
// no group has any. random is uniform over 64 bits.
//
// The health of the groups has no part in it, as long as none has failover on:
// ELB does not send the requests of a weighted group that is empty or unhealthy
// to another one.
func (f *Forward) Choose(random uint64) *WeightedGroup {
	if f.total == 0 {
		return nil
	}
	if len(f.Groups) == 1 {
		return &f.Groups[0]
	}
	at := reduce(random, f.total)
	for i := range f.Groups {
		if w := &f.Groups[i]; at < w.below {
			if w.failedOver() {
				return f.instead(w, random)
			}
			return w
		}
	}
	return nil // not reached: at is below the last one's
}

// failedOver tells whether the work of a group goes to the others of its action
// (elbow.failover.enabled).
func (w *WeightedGroup) failedOver() bool { return w.failover && !w.Group.Serving() }

// instead returns the group that takes a request of w: one of those that serve,
// by weight; when none of them has any, one of those of weight 0, which stand by,
// each as likely as the next. When nothing serves, w keeps its work and fails
// open. The health of a group may change on the way; w takes what then finds no
// place, too.
func (f *Forward) instead(w *WeightedGroup, random uint64) *WeightedGroup {
	random = mix(^random) // its high bits chose w
	for _, standby := range []bool{false, true} {
		total := uint64(0)
		for i := range f.Groups {
			total += f.Groups[i].share(standby)
		}
		at := reduce(random, total)
		for i := range f.Groups {
			share := f.Groups[i].share(standby)
			if at < share {
				return &f.Groups[i]
			}
			at -= share
		}
	}
	return w
}

// share is the part of others' work that the group takes. Of one that does not
// serve it is 0.
func (w *WeightedGroup) share(standby bool) uint64 {
	switch {
	case standby != (w.Weight == 0) || !w.Group.Serving():
		return 0
	case standby:
		return 1
	}
	return uint64(w.Weight)
}

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
// The health of the groups has no part in it: ELB does not send the requests of
// a weighted group that is empty or unhealthy to another one.
func (f *Forward) Choose(random uint64) *WeightedGroup {
	if f.total == 0 {
		return nil
	}
	if len(f.Groups) == 1 {
		return &f.Groups[0]
	}
	at := reduce(random, f.total)
	for i := range f.Groups {
		if at < f.Groups[i].below {
			return &f.Groups[i]
		}
	}
	return nil // not reached: at is below the last one's
}

package balancer

import "sync/atomic"

// roundRobin is ELB's round_robin: each target in turn.
//
// The turn is one counter, which goes on over refreshes and snapshots. While
// the targets stay the same, any run of picks gives each target the same number
// of them, give or take one, however many goroutines pick. When the set changes
// the turn goes on somewhere in the new set, so each change may add one to that
// difference; starting over instead would favour the first targets whenever
// health flaps.
//
// A pick that excludes a target is drawn at random from the others and leaves
// the turn alone. Taking the next one would give the excluded target's
// neighbour twice its share, and taking a turn would shift the turns of the
// picks around it: with three targets of which the first fails, the second then
// gets next to nothing.
type roundRobin struct {
	_    [cacheLine]byte // keeps the counter off the lines of what is only read
	next atomic.Uint64
	_    [cacheLine - 8]byte
}

// Pick implements Picker.
func (r *roundRobin) Pick(targets []*Target, random uint64, exclude *Target) *Target {
	if t, ok := pickOther(targets, random, exclude); ok {
		return t
	}
	return targets[(r.next.Add(1)-1)%uint64(len(targets))]
}

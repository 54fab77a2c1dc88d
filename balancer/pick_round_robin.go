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
//
// Where shares differ, as in slow start, the turn is multiplied by the golden
// ratio of 64 bits, whose multiples fall evenly over the numbers (a Weyl
// sequence): each target's count stays within a few picks of its share in any
// run, which random draws would not.
type roundRobin struct {
	_    [cacheLine]byte // keeps the counter off the lines of what is only read
	next atomic.Uint64
	_    [cacheLine - 8]byte
}

// Pick implements Picker.
func (r *roundRobin) Pick(targets []*Target, shares *Shares, random uint64, exclude *Target) *Target {
	if t, ok := pickOther(targets, shares, random, exclude); ok {
		return t
	}
	turn := r.next.Add(1) - 1
	if shares != nil {
		return targets[shares.at(turn*goldenRatio)]
	}
	return targets[turn%uint64(len(targets))]
}

// goldenRatio is 2^64 divided by the golden ratio, made odd.
const goldenRatio = 0x9e3779b97f4a7c15

package balancer

import (
	"math/bits"

	"github.com/elbow-lb/elbow/config"
)

// Picker is a load balancing algorithm for one group, or one zone of it. It
// outlives snapshots, and is used by any number of goroutines.
type Picker interface {
	// Pick returns one of targets, which are at least two, and never exclude.
	// shares says what part each takes; nil: all the same. random is uniform
	// over 64 bits. It must not block, allocate, take a lock or keep targets
	// and shares, which differ from call to call as health changes.
	Pick(targets []*Target, shares *Shares, random uint64, exclude *Target) *Target
}

// newPicker returns the picker of ELB's load_balancing.algorithm.type.
func newPicker(a config.Algorithm) Picker {
	switch a {
	case config.LeastOutstandingRequests:
		return leastOutstanding{}
	case config.WeightedRandom:
		return weightedRandom{}
	default:
		return new(roundRobin)
	}
}

// pickOther returns one of the targets but exclude, drawn at random by their
// shares. The second result is false when exclude is not among them, or is nil.
func pickOther(targets []*Target, shares *Shares, random uint64, exclude *Target) (*Target, bool) {
	if exclude == nil {
		return nil, false
	}
	for i, t := range targets {
		if t == exclude {
			if shares != nil {
				return targets[shares.except(mix(random), i)], true
			}
			other := reduce(mix(random), uint64(len(targets)-1))
			if other >= uint64(i) {
				other++
			}
			return targets[other], true
		}
	}
	return nil, false
}

// reduce maps a number uniform over 64 bits to one uniform below n. The bias is
// at most n in 2^64.
func reduce(random, n uint64) uint64 {
	high, _ := bits.Mul64(random, n)
	return high
}

// mix returns a number that tells nothing about random's high bits to who does
// not know all of it (the finaliser of SplitMix64, a bijection). It makes what a
// picker draws independent of what Forward.Choose drew from the same number.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

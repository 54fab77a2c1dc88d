package balancer

import "math"

// leastOutstanding is ELB's least_outstanding_requests: the target with the
// fewest requests in progress; among several, each is as likely as the next.
//
// The counts are read while others change them. Two picks at the same moment
// may see the same counts, and so may choose the same target where one after
// the other would not; the next pick sees both. Ties are drawn at random rather
// than in order so that such picks spread.
//
// A group of more than exactScan targets is sampled: the best of scanSamples
// targets drawn at random, which is among the best tenth in 96 of 100 picks.
// What that gives up is small, since a group that large has many targets near
// the minimum; what it saves is a walk over hundreds of cache lines that other
// cores write to. It keeps no state.
type leastOutstanding struct{}

// exactScan is the largest group that is scanned in full. BenchmarkPick has the
// time of a scan by the size of the group.
const exactScan = 128

// scanSamples is how many targets of a larger group are looked at.
const scanSamples = 32

// Pick implements Picker. Shares do not go with counts, and have no part in it.
func (leastOutstanding) Pick(targets []*Target, _ *Shares, random uint64, exclude *Target) *Target {
	random = mix(random)
	var best *Target
	least, ties := int64(math.MaxInt64), uint64(0)
	n := len(targets)
	if n > exactScan {
		n = scanSamples
	}
	for i := range n {
		t := targets[i]
		if len(targets) > exactScan {
			random = mix(random)
			t = targets[reduce(random, uint64(len(targets)))]
		}
		if t == exclude {
			continue
		}
		switch outstanding := t.State.Outstanding.Load(); {
		case outstanding < least:
			best, least, ties = t, outstanding, 1
		case outstanding == least:
			// The k-th of the ties replaces the one held in one of k cases,
			// which makes all of them equally likely in one pass.
			ties++
			random = random*6364136223846793005 + 1442695040888963407
			if reduce(random, ties) == 0 {
				best = t
			}
		}
	}
	if best == nil { // every sample was exclude
		best, _ = pickOther(targets, nil, random, exclude)
	}
	return best
}

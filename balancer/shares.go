package balancer

import (
	"math"
	"math/bits"
)

// Shares divides picks among targets that do not all take the same part: each
// has an interval of the 64-bit numbers, as wide as its part. It never changes.
// No *Shares means that all take the same.
type Shares struct {
	ends []uint64 // the last number of each target's interval; of the last target, the largest there is

	// guide saves the search: entry k is the target that the k-th of
	// len(guide) equal parts of the numbers begins in, from which the right
	// one is on average less than two steps away.
	guide []uint32
}

// newShares returns the shares of targets with these weights, which are above
// 0; nil when they are the same.
func newShares(weights []float64) *Shares {
	total, same := 0.0, true
	for _, w := range weights {
		total += w
		same = same && w == weights[0]
	}
	if same {
		return nil
	}
	n := uint64(len(weights))
	s := &Shares{ends: make([]uint64, n), guide: make([]uint32, n)}
	sum := 0.0
	for i, w := range weights {
		sum += w
		s.ends[i] = math.MaxUint64
		if end := sum / total * (1 << 64); i < len(weights)-1 && end < 1<<64 {
			s.ends[i] = uint64(end)
		}
	}
	i := uint32(0)
	for k := range n {
		begin, _ := bits.Div64(k, 0, n)
		for s.ends[i] < begin {
			i++
		}
		s.guide[k] = i
	}
	return s
}

// at returns the index of the target whose interval u is in.
func (s *Shares) at(u uint64) int {
	i := int(s.guide[reduce(u, uint64(len(s.guide)))])
	for u > s.ends[i] {
		i++
	}
	return i
}

// except returns the index of another target than i, each as often as its
// weight says. u is uniform over 64 bits.
func (s *Shares) except(u uint64, i int) int {
	begin := uint64(0)
	if i > 0 {
		begin = s.ends[i-1] + 1
	}
	width := s.ends[i] - begin + 1
	if u = reduce(u, -width); u >= begin {
		u += width
	}
	return s.at(u)
}

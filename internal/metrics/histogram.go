package metrics

import (
	"math/bits"
	"time"
)

// bucketBounds are the upper bounds (inclusive) of the response time
// histogram, exported as le in seconds.
//
// INVARIANT: each bound is at least twice the one before it. Then every power
// of two range of nanoseconds holds at most one bound, and the bucket of a
// value follows from its bit length and one comparison: no search, no floating
// point, and the exported counts are exact at decimal bounds.
var bucketBounds = [...]time.Duration{
	500 * time.Microsecond,
	time.Millisecond,
	2500 * time.Microsecond,
	5 * time.Millisecond,
	10 * time.Millisecond,
	25 * time.Millisecond,
	50 * time.Millisecond,
	100 * time.Millisecond,
	250 * time.Millisecond,
	500 * time.Millisecond,
	time.Second,
	2500 * time.Millisecond,
	5 * time.Second,
	10 * time.Second,
}

// buckets counts the bounds and one bucket for all that is above the last.
const buckets = len(bucketBounds) + 1

// octave describes the nanosecond values of one bit length: those up to split
// belong to bucket low, those above it to bucket low+1. Where no bound falls
// into the octave, split is the largest int64.
type octave struct {
	split int64
	low   int
}

// octaves is indexed by bits.Len64 of the value; 64 entries so that a mask
// replaces the bounds check.
var octaves = func() (t [64]octave) {
	for n := range t {
		smallest := int64(0)
		if n > 0 {
			smallest = int64(uint64(1) << (n - 1))
		}
		low := 0
		for low < len(bucketBounds) && int64(bucketBounds[low]) < smallest {
			low++
		}
		t[n] = octave{split: 1<<63 - 1, low: low}
		if low < len(bucketBounds) && bits.Len64(uint64(bucketBounds[low])) == n {
			t[n].split = int64(bucketBounds[low])
		}
	}
	return t
}()

// Histogram counts durations in fixed buckets. The zero value is ready to use;
// it must not be copied. Observe is two atomic adds.
type Histogram struct {
	counts [buckets]Counter
	sum    Counter // nanoseconds; wraps after 584 years of response time
}

// Observe counts one duration of ns nanoseconds. A negative duration counts as
// zero: it can only come from a clock that was read twice in the wrong order.
func (h *Histogram) Observe(ns int64) {
	if ns < 0 {
		ns = 0
	}
	o := &octaves[bits.Len64(uint64(ns))&63]
	i := o.low
	if ns > o.split {
		i++
	}
	h.counts[i].Inc()
	h.sum.Add(uint64(ns))
}

// histogramSum is the sum of a histogram's shards at one scrape.
type histogramSum struct {
	counts [buckets]uint64
	sum    uint64
}

func (s *histogramSum) add(h *Histogram) {
	// The sum is read first: an Observe between the two reads then shows in the
	// count, which errs to a lower mean, rather than in a sum without a count.
	s.sum += h.sum.Load()
	for i := range s.counts {
		s.counts[i] += h.counts[i].Load()
	}
}

// cumulative returns the count of all observations, the sum in seconds, and
// the cumulative counts by upper bound in seconds that Prometheus wants.
func (s *histogramSum) cumulative() (count uint64, seconds float64, byBound map[float64]uint64) {
	byBound = make(map[float64]uint64, len(bucketBounds))
	for i, n := range s.counts {
		count += n
		if i < len(bucketBounds) {
			byBound[bucketBounds[i].Seconds()] = count
		}
	}
	return count, float64(s.sum) / 1e9, byBound
}

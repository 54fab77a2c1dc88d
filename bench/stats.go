package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// percentile is the nearest-rank percentile: the smallest sample that at least
// p in 100 samples do not exceed. It sorts the samples; it is 0 without any.
func percentile(samples []time.Duration, p float64) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	slices.Sort(samples)
	rank := int(math.Ceil(p / 100 * float64(len(samples))))
	return samples[max(rank, 1)-1]
}

// spread is a figure over several rounds.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// spreadOf is the zero spread without values.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Clone(values)
	slices.Sort(v)
	mid := v[len(v)/2]
	if len(v)%2 == 0 {
		mid = (v[len(v)/2-1] + mid) / 2
	}
	return spread{Median: mid, Min: v[0], Max: v[len(v)-1]}
}

// spreadOver is the spread of one figure of the rounds.
func spreadOver(rounds []round, figure func(round) float64) spread {
	values := make([]float64, len(rounds))
	for i, t := range rounds {
		values[i] = figure(t)
	}
	return spreadOf(values)
}

// ratio is a/b, or 0 when there is nothing to compare with.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// least is the index of the element with the smallest key, -1 without any.
func least[E any, K cmp.Ordered](list []E, key func(E) K) int {
	best := -1
	for i := range list {
		if best < 0 || key(list[i]) < key(list[best]) {
			best = i
		}
	}
	return best
}

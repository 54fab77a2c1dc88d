package main

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i) // unsorted on purpose
	}
	f := func(samples []time.Duration, p float64, want time.Duration) {
		t.Helper()
		if got := percentile(samples, p); got != want {
			t.Errorf("percentile %v of %d samples: %v, want %v", p, len(samples), got, want)
		}
	}
	f(nil, 99, 0)
	f([]time.Duration{7}, 50, 7)
	f([]time.Duration{2, 1}, 50, 1)
	f(hundred, 50, 50)
	f(hundred, 99, 99)
	f(hundred, 100, 100)
	f(hundred, 0, 1)
}

// A percentile is a sample that enough of them do not exceed, and no smaller
// sample is.
func TestPercentileProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 50), func(n int) time.Duration { return time.Duration(n) }), 1, 200).Draw(t, "samples")
		p := float64(rapid.IntRange(1, 100).Draw(t, "p"))
		got := percentile(samples, p)
		atMost, below := 0, 0
		for _, s := range samples {
			if s <= got {
				atMost++
			}
			if s < got {
				below++
			}
		}
		need := p / 100 * float64(len(samples))
		if float64(atMost) < need-1e-9 || float64(below) >= need+1e-9 {
			t.Fatalf("percentile %v of %v is %v: %d at most it, %d below", p, samples, got, atMost, below)
		}
	})
}

func TestSpreadOf(t *testing.T) {
	f := func(values []float64, want spread) {
		t.Helper()
		if got := spreadOf(values); got != want {
			t.Errorf("spreadOf(%v) = %v, want %v", values, got, want)
		}
	}
	f(nil, spread{})
	f([]float64{3}, spread{3, 3, 3})
	f([]float64{3, 1, 2}, spread{2, 1, 3})
	f([]float64{4, 1, 2, 3}, spread{2.5, 1, 4})
}

func TestLeast(t *testing.T) {
	same := func(v int) int { return v }
	if got := least([]int{3, 1, 2, 1}, same); got != 1 {
		t.Errorf("least = %d, want the first of the smallest, 1", got)
	}
	if got := least(nil, same); got != -1 {
		t.Errorf("least of nothing = %d, want -1", got)
	}
}

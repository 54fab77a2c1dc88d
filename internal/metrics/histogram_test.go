package metrics

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// bucketOf is the slow reference: the first bound that is not below ns.
func bucketOf(ns int64) int {
	for i, bound := range bucketBounds {
		if ns <= int64(bound) {
			return i
		}
	}
	return len(bucketBounds)
}

func observed(t interface{ Fatalf(string, ...any) }, ns int64) (bucket int) {
	var h Histogram
	h.Observe(ns)
	bucket = -1
	for i := range h.counts {
		if h.counts[i].Load() != 0 {
			if bucket >= 0 || h.counts[i].Load() != 1 {
				t.Fatalf("Observe(%d) counted more than once", ns)
			}
			bucket = i
		}
	}
	if got := h.sum.Load(); got != uint64(max(ns, 0)) {
		t.Fatalf("Observe(%d): sum %d", ns, got)
	}
	return bucket
}

func TestBucketBounds(t *testing.T) {
	for i := 1; i < len(bucketBounds); i++ {
		if bucketBounds[i] < 2*bucketBounds[i-1] {
			t.Errorf("%v is less than twice %v", bucketBounds[i], bucketBounds[i-1])
		}
	}
}

func TestObserveEdges(t *testing.T) {
	values := []int64{math.MinInt64, -1, 0, 1, 2, math.MaxInt64, math.MaxInt64 - 1}
	for _, bound := range bucketBounds {
		values = append(values, int64(bound)-1, int64(bound), int64(bound)+1)
	}
	for n := range 63 {
		values = append(values, 1<<n-1, 1<<n, 1<<n+1)
	}
	for _, ns := range values {
		if got, want := observed(t, ns), bucketOf(ns); got != want {
			t.Errorf("Observe(%v) went to bucket %d, want %d", time.Duration(ns), got, want)
		}
	}
}

func TestObserveAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ns := rapid.OneOf(rapid.Int64(), rapid.Int64Range(0, int64(20*time.Second))).Draw(t, "ns")
		if got, want := observed(t, ns), bucketOf(ns); got != want {
			t.Fatalf("Observe(%d) went to bucket %d, want %d", ns, got, want)
		}
	})
}

package balancer

import (
	"sync"
	"sync/atomic"
	"testing"
)

func budgeted(percent int) *Group {
	cfg := groupOf("g", 1)
	cfg.Attributes.RetryBudget = percent
	return Compile(model(nil, cfg), nil, testEnv).Groups[0]
}

// When every request fails, retries are budgetReserve and then the percentage.
func TestRetryBudget(t *testing.T) {
	for _, percent := range []int{1, 20, 100} {
		g, retries := budgeted(percent), 0
		for range 10_000 {
			g.EarnRetry(3)
			if g.SpendRetry(3) {
				retries++
			}
		}
		if want := 10_000 * percent / 100; retries < want || retries > want+budgetReserve {
			t.Errorf("%d %%: %d retries, want %d and at most %d more", percent, retries, want, budgetReserve)
		}
	}
	g := budgeted(0)
	for range 1000 {
		if !g.SpendRetry(0) {
			t.Fatal("without a budget a retry was denied")
		}
	}
}

// What a quiet time earns is not more than the reserve, and an event loop does
// not spend what another one earned.
func TestRetryBudgetReserve(t *testing.T) {
	g, retries := budgeted(20), 0
	for range 10_000 {
		g.EarnRetry(0)
	}
	for range 100 {
		if g.SpendRetry(0) {
			retries++
		}
	}
	if retries != budgetReserve {
		t.Errorf("%d retries at once, want %d", retries, budgetReserve)
	}
	if !g.SpendRetry(1) {
		t.Error("another loop has none left")
	}
}

func TestRetryBudgetConcurrently(t *testing.T) {
	const goroutines, requests = 8, 5000
	g := budgeted(20)
	var retries atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range requests {
				g.EarnRetry(0)
				if g.SpendRetry(0) {
					retries.Add(1)
				}
			}
		})
	}
	wg.Wait()
	want := int64(goroutines * requests / 5)
	if got := retries.Load(); got > want+budgetReserve+goroutines || got < want*9/10 {
		t.Errorf("%d retries of %d requests, want %d", got, goroutines*requests, want)
	}
}

// A reload does not fill the budget.
func TestRetryBudgetSurvivesReload(t *testing.T) {
	cfg := groupOf("g", 1)
	cfg.Attributes.RetryBudget = 20
	m := model(nil, cfg)
	s := Compile(m, nil, testEnv)
	for s.Groups[0].SpendRetry(0) {
	}
	if Compile(m, s, testEnv).Groups[0].SpendRetry(0) {
		t.Error("a reload filled the budget")
	}
}

func TestRetryBudgetAllocs(t *testing.T) {
	g := budgeted(20)
	if n := testing.AllocsPerRun(100, func() { g.EarnRetry(0); g.SpendRetry(0) }); n != 0 {
		t.Errorf("%v allocs, want 0", n)
	}
}

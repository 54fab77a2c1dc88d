package balancer

import "sync/atomic"

// retryBudget keeps retries from multiplying the load on targets that fail
// because of it: each request earns the group a part of a retry
// (elbow.retry_budget.percent), and each retry costs one. It outlives snapshots.
//
// Each event loop has an account of its own, so that earning shares no cache line.
// An account begins with budgetReserve retries and never holds more: what was
// earned long ago says nothing about now.
type retryBudget struct {
	accounts [budgetAccounts]struct {
		spent atomic.Int64 // of budgetReserve, in hundredths of a retry
		_     [cacheLine - 8]byte
	}
}

const (
	budgetAccounts = 64 // loops beyond share them
	budgetReserve  = 10 // retries
)

// newBudget returns the retry budget of a group; nil where retries have no limit.
func (c *compiler) newBudget(g *Group) *retryBudget {
	if g.Config.Attributes.RetryBudget == 0 {
		return nil
	}
	if c.prev != nil {
		if old := c.prev.Group(g.Name); old != nil && old.budget != nil {
			return old.budget
		}
	}
	return new(retryBudget)
}

// EarnRetry counts a request of event loop i that was given to a target.
func (g *Group) EarnRetry(i int) {
	if g.budget == nil {
		return
	}
	// Several requests of one loop may be here at once; what one of them then
	// takes too much is less than a retry.
	if a := &g.budget.accounts[i%budgetAccounts]; a.spent.Load() > 0 {
		a.spent.Add(-int64(g.Config.Attributes.RetryBudget))
	}
}

// SpendRetry tells whether a request of event loop i may be tried again, and
// takes the retry out of the budget.
func (g *Group) SpendRetry(i int) bool {
	if g.budget == nil {
		return true
	}
	a := &g.budget.accounts[i%budgetAccounts]
	if a.spent.Add(100) > budgetReserve*100 {
		a.spent.Add(-100)
		return false
	}
	return true
}

package balancer

import (
	"sync"
	"sync/atomic"
)

// Enter takes a place for one more request at t, which Pick returned, or where t
// has no more (elbow.max_outstanding_requests) at another eligible target. It
// returns the target that has the request now, or nil: all are full, or others
// wait already. Release gives the place back.
//
// It takes no lock, and without a limit it is one addition.
func (g *Group) Enter(t *Target, p *Pick) *Target {
	if g.limit == 0 {
		t.State.Outstanding.Add(1)
		return t
	}
	if g.queue.waiting.Load() > 0 {
		return nil
	}
	return g.enter(t, p)
}

func (g *Group) enter(t *Target, p *Pick) *Target {
	if t.State.enter(g.limit) {
		return t
	}
	targets := g.scopeOf(p.Zone).targets
	from := int(p.Random % uint64(len(targets)))
	for i := range targets {
		if t := targets[(from+i)%len(targets)]; t != p.Exclude && t.State.enter(g.limit) {
			return t
		}
	}
	return nil
}

// enter adds a request unless there are limit already.
func (s *TargetState) enter(limit int64) bool {
	for {
		n := s.Outstanding.Load()
		if n >= limit {
			return false
		}
		if s.Outstanding.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release gives a place at t back: to whoever has waited longest, if anybody
// waits.
func (g *Group) Release(t *Target) {
	t.State.Outstanding.Add(-1)
	if g.queue.waiting.Load() > 0 {
		g.queue.serve()
	}
}

// Queued is the number of requests that wait for a place.
func (g *Group) Queued() int { return int(g.queue.waiting.Load()) }

// queue is the requests that wait for a place at a target of a group, first come,
// first served. All snapshots that have the group share it.
type queue struct {
	waiting atomic.Int64 // how many are in the list; changed with mu held

	mu          sync.Mutex // leaf lock
	first, last *Waiter
}

// Waiter is a request's place in the queue of its group. It belongs to the
// request before Wait and after Leave.
type Waiter struct {
	Group *Group
	Pick  Pick
	// Wake is told when there is a place. It must not block, nor run the request
	// itself: who releases a place has its own work.
	Wake interface{ Nudge() }

	granted atomic.Bool

	// Guarded by the queue's mu.
	target     *Target
	queued     bool
	next, prev *Waiter
}

// Wait puts w into the queue of its group; false when that is full. Afterwards
// Leave must be called.
func (w *Waiter) Wait() bool {
	q := w.Group.queue
	w.granted.Store(false)
	q.mu.Lock()
	if q.waiting.Load() >= int64(w.Group.Config.Attributes.QueueSize) {
		q.mu.Unlock()
		return false
	}
	w.target, w.queued, w.next, w.prev = nil, true, nil, q.last
	if q.last != nil {
		q.last.next = w
	} else {
		q.first = w
	}
	q.last = w
	q.waiting.Add(1)
	q.mu.Unlock()
	// A place that was released before the counting was offered to nobody. Either
	// who released it sees us counted, or we see the place.
	q.serve()
	return true
}

// Granted tells whether w has a place, which Leave returns.
func (w *Waiter) Granted() bool { return w.granted.Load() }

// Leave ends the wait. It returns the target that w has a place at now, or nil.
func (w *Waiter) Leave() *Target {
	q := w.Group.queue
	q.mu.Lock()
	if w.queued {
		q.removeLocked(w)
	}
	q.mu.Unlock()
	t := w.target
	w.target, w.Wake = nil, nil
	return t
}

// serve gives places to those who wait, as long as there are both.
func (q *queue) serve() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for w := q.first; w != nil; w = q.first {
		t := w.Group.Pick(&w.Pick)
		if t != nil {
			t = w.Group.enter(t, &w.Pick)
		}
		if t == nil {
			return
		}
		q.removeLocked(w)
		w.target = t
		w.granted.Store(true)
		w.Wake.Nudge()
	}
}

func (q *queue) removeLocked(w *Waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		q.last = w.prev
	}
	w.queued, w.next, w.prev = false, nil, nil
	q.waiting.Add(-1)
}

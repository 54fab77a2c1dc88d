package probe

import (
	"container/heap"
	"hash/maphash"
	"time"

	"github.com/elbow-lb/elbow/internal/clock"
)

// Spreading of first checks. Up to burst new targets are checked at once;
// more than that are spread evenly over spreadTime, or over the interval where
// that is shorter.
const (
	burst      = 64
	spreadTime = time.Second
)

// grain is the step in which phases lie. A check costs less processor time
// than waking up for it: with 1,000 targets every 5 s over loopback, one wake-up
// for each took 12 % of a core, one for the ten that share 50 ms takes 3.5 %.
const grain = 50 * time.Millisecond

// spread is how long the first check of the i-th of n new targets waits.
func spread(i, n int, interval time.Duration) time.Duration {
	if n <= burst {
		return 0
	}
	return min(interval, spreadTime) * time.Duration(i) / time.Duration(n)
}

// schedule knows when each entry is due. Its callers hold Manager.mu.
//
// After its first check a target is checked at a fixed phase of its interval:
// at phase, phase+interval, phase+2*interval after epoch. The phase is a hash
// of the key, so that many targets spread over the interval however they came,
// and the seed is drawn per process, so that two load balancers do not check
// in step. Any stretch of time as long as the interval has exactly one such
// moment in it, which tests rely on; for the first stretch it means that the
// second check may follow the first closely.
type schedule[K comparable] struct {
	clock clock.Clock
	epoch time.Time
	seed  maphash.Seed
	onDue func()

	heap  dueHeap[K]
	timer clock.Timer // nil before the first use
	armed time.Time   // when timer fires; zero when it has fired or was not set
}

func (s *schedule[K]) init(c clock.Clock, onDue func()) {
	s.clock, s.epoch, s.seed, s.onDue = c, c.Now(), maphash.MakeSeed(), onDue
}

// phase is where in its interval a target is checked: a multiple of grain in
// [0, interval).
func (s *schedule[K]) phase(key K, interval time.Duration) time.Duration {
	d := time.Duration(maphash.Comparable(s.seed, key) % uint64(interval))
	return d - d%grain
}

// tick is the next moment of e's phase: after now, by at most an interval.
func (s *schedule[K]) tick(e *entry[K], now time.Time) time.Time {
	d := e.phase - now.Sub(s.epoch)%e.policy.Interval
	if d <= 0 {
		d += e.policy.Interval
	}
	return now.Add(d)
}

func (s *schedule[K]) add(e *entry[K]) { heap.Push(&s.heap, e) }

// remove takes e out, if it is in.
func (s *schedule[K]) remove(e *entry[K]) {
	if e.index >= 0 {
		heap.Remove(&s.heap, e.index)
	}
}

// popDue takes out the entry that is due longest; nil when none is.
func (s *schedule[K]) popDue(now time.Time) *entry[K] {
	if len(s.heap) == 0 || s.heap[0].due.After(now) {
		return nil
	}
	return heap.Pop(&s.heap).(*entry[K])
}

// arm sets the timer for the first entry. It is called after each change that
// may have brought a new first; a timer that fires too early does no harm.
func (s *schedule[K]) arm(now time.Time) {
	if len(s.heap) == 0 {
		return
	}
	first := s.heap[0].due
	if !s.armed.IsZero() && !first.Before(s.armed) {
		return
	}
	s.armed = first
	if s.timer == nil {
		s.timer = s.clock.AfterFunc(first.Sub(now), s.onDue)
		return
	}
	s.timer.Reset(first.Sub(now))
}

func (s *schedule[K]) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// dueHeap orders entries by due time; it keeps their index.
type dueHeap[K comparable] []*entry[K]

func (h dueHeap[K]) Len() int           { return len(h) }
func (h dueHeap[K]) Less(i, j int) bool { return h[i].due.Before(h[j].due) }

func (h dueHeap[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *dueHeap[K]) Push(x any) {
	e := x.(*entry[K])
	e.index = len(*h)
	*h = append(*h, e)
}

func (h *dueHeap[K]) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	e.index = -1
	return e
}

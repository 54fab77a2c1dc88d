package clock

import (
	"container/heap"
	"sync"
	"time"
)

// Fake is a Clock that stands still until Advance moves it. It is safe for
// concurrent use. Calls run on the goroutine that advances, one after the
// other, ordered by time and then by when they were arranged, so that a test
// sees all their direct effects once Advance returns.
type Fake struct {
	// advancing serialises Advance. It encloses mu and is held during calls,
	// which is why a call must not advance the clock.
	advancing sync.Mutex

	mu     sync.Mutex // guards the fields below, and the fields of timers
	now    time.Time
	seq    uint64
	timers timerHeap
}

// NewFake returns a clock that stands at start.
func NewFake(start time.Time) *Fake { return &Fake{now: start} }

// Now is the time the clock stands at; during a call, the time of that call.
func (c *Fake) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc arranges a call of f. A call that is due at once (d <= 0) is made
// by the next Advance, at the latest by Advance(0).
func (c *Fake) AfterFunc(d time.Duration, f func()) Timer {
	t := &fakeTimer{clock: c, call: f, index: -1}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arrangeLocked(t, d)
	return t
}

// Advance moves the clock forward by d and makes the calls that fall due on
// the way, each with the clock standing at its time. Calls that those calls
// arrange within d are made too. It must not be called from such a call.
func (c *Fake) Advance(d time.Duration) {
	c.advancing.Lock()
	defer c.advancing.Unlock()

	c.mu.Lock()
	end := c.now.Add(d)
	for len(c.timers) > 0 && !c.timers[0].when.After(end) {
		t := heap.Pop(&c.timers).(*fakeTimer)
		if t.when.After(c.now) {
			c.now = t.when
		}
		c.mu.Unlock()
		t.call()
		c.mu.Lock()
	}
	if end.After(c.now) {
		c.now = end
	}
	c.mu.Unlock()
}

// Waiting is the number of calls that are arranged and not yet made.
func (c *Fake) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

// Next is the time of the earliest call; false when there is none.
func (c *Fake) Next() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.timers) == 0 {
		return time.Time{}, false
	}
	return c.timers[0].when, true
}

func (c *Fake) arrangeLocked(t *fakeTimer, d time.Duration) {
	c.seq++
	t.when, t.seq = c.now.Add(max(d, 0)), c.seq
	heap.Push(&c.timers, t)
}

// fakeTimer is one arranged call. All fields but the first two are guarded by
// the clock's mu.
type fakeTimer struct {
	clock *Fake
	call  func()

	when  time.Time
	seq   uint64
	index int // in the heap; -1 when not waiting
}

// Stop implements Timer.
func (t *fakeTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.stopLocked()
}

// Reset implements Timer.
func (t *fakeTimer) Reset(d time.Duration) bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	was := t.stopLocked()
	t.clock.arrangeLocked(t, d)
	return was
}

func (t *fakeTimer) stopLocked() bool {
	if t.index < 0 {
		return false
	}
	heap.Remove(&t.clock.timers, t.index)
	return true
}

// timerHeap orders waiting timers by time, then by when they were arranged.
type timerHeap []*fakeTimer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].when.Equal(h[j].when) {
		return h[i].seq < h[j].seq
	}
	return h[i].when.Before(h[j].when)
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*fakeTimer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}

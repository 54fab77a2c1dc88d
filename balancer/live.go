package balancer

import (
	"sync"
	"sync/atomic"
	"time"
)

// Live holds the snapshot that new work starts on.
//
// It is the only pointer a configuration change swaps. A reader calls Load once
// per exchange or flow and passes the result down by argument: two Loads in one
// exchange may see two configurations. The zero Live holds no snapshot.
type Live struct {
	cur atomic.Pointer[Snapshot]
	mu  sync.Mutex // serialises writers; readers never take it

	// Guarded by mu.
	now   time.Time // of the last Tick
	ticks int
}

// TickInterval is how often Tick is to be called.
const TickInterval = time.Second

// Load returns the current snapshot, or nil before the first Swap.
func (l *Live) Load() *Snapshot { return l.cur.Load() }

// Swap publishes next and returns what it replaces, which is nil the first time.
//
// It first refreshes the groups of next: health may have changed between
// Compile, which read it, and now, and what HealthChanged did then was for the
// snapshot that goes.
func (l *Live) Swap(next *Snapshot) *Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range next.Groups {
		g.refresh(l.now)
	}
	return l.cur.Swap(next)
}

// HealthChanged makes the current snapshot follow the health of a target, after
// its Cell was written. A key that the snapshot does not know is ignored.
//
// No change is lost to a Swap: a Cell that was written before Swap refreshed is
// seen by it; one written after is seen by this, which waits for the Swap.
func (l *Live) HealthChanged(key Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.cur.Load(); s != nil {
		if g := s.Group(key.Group); g != nil {
			g.refresh(l.now)
		}
	}
}

// Tick tells the time, every TickInterval: counters are read, and shares that
// change are given out anew. The balancer has no clock of its own, and a pick
// asks for none.
func (l *Live) Tick(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = now
	s := l.cur.Load()
	if s == nil {
		return
	}
	l.ticks++
	for _, g := range s.Groups {
		changed := false
		if g.judged() {
			changed = g.observe()
			if l.ticks%judgeEvery == 0 {
				changed = g.judge() || changed
			}
		}
		if g.moving || changed {
			g.refresh(now)
		}
	}
}

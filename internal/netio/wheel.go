package netio

import (
	"math"
	"math/bits"
	"sync"
	"time"

	"github.com/elbow-lb/elbow/internal/clock"
)

// Deadlines are counted in ticks of 2^27 ns (134 ms): every timeout of ELB is
// whole seconds, and a shift is the cheapest division.
const (
	tickShift  = 27
	tick       = time.Duration(1) << tickShift
	wheelSlots = 512 // 68 s; what is due later is looked at once a turn
	noDeadline = math.MaxUint32
	maxTimeout = 10 * 365 * 24 * time.Hour // what is longer is for ever
	trimTicks  = uint32(trimInterval >> tickShift)
)

func tickOf(nano int64) uint32 { return uint32(nano >> tickShift) }

// tickAfter is the first tick that is surely timeout after now.
func tickAfter(now int64, timeout time.Duration) uint32 {
	if timeout <= 0 || timeout > maxTimeout {
		return noDeadline
	}
	return tickOf(now+int64(timeout)) + 1
}

// entry names a connection in the wheel. It may be stale: the descriptor may
// be closed, or the connection filed sooner elsewhere.
type entry struct {
	fd  int32
	gen uint32
}

// wheel finds expired deadlines of one loop.
//
// Every connection has an entry due at or before its deadline (Conn.filed). A
// due entry whose connection has time left is filed again; so moving a deadline
// later costs nothing, and only moving it before the entry files a second one.
//
// The timer runs only while a slot is filled: an idle process sleeps.
type wheel struct {
	loop *Loop

	turning sync.Mutex // held while onTimer is at work; encloses mu
	trimmed uint32     // tick of the last trim of the workers; guarded by turning

	mu      sync.Mutex // leaf lock, but for the clock's own
	slots   [wheelSlots][]entry
	filled  [wheelSlots / 64]uint64 // a bit per slot that has entries
	done    uint32                  // every tick up to this one was handled
	timer   clock.Timer
	next    uint32 // tick the timer is set for; noDeadline when it is not
	running bool   // onTimer is at work, and will set the timer when it is done
	stopped bool
}

func (w *wheel) init(l *Loop) {
	w.loop = l
	w.next = noDeadline
	w.done = tickOf(l.engine.Nanotime())
}

// file enters c at tick at, or as far ahead as the wheel reaches.
func (w *wheel) file(c *Conn, at uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fileLocked(c, at)
}

func (w *wheel) fileLocked(c *Conn, at uint32) {
	if w.stopped {
		return
	}
	now := tickOf(w.loop.engine.Nanotime())
	if w.next == noDeadline {
		// Nothing is filed, so there is nothing between done and now.
		w.done = max(w.done, now-min(now, 1))
	}
	at = max(at, w.done+1)
	at = min(at, w.done+wheelSlots-1)
	c.filed.Store(at)
	s := at % wheelSlots
	w.slots[s] = append(w.slots[s], entry{c.fd, c.gen})
	w.filled[s/64] |= 1 << (s % 64)
	if at < w.next && !w.running {
		w.setTimerLocked(at, now)
	}
}

func (w *wheel) setTimerLocked(at, now uint32) {
	w.next = at
	d := time.Duration(max(1, int64(at)-int64(now))) * tick
	if w.timer == nil {
		w.timer = w.loop.engine.clock.AfterFunc(d, w.onTimer)
	} else {
		w.timer.Reset(d)
	}
}

// onTimer handles every slot that is due. It runs on the clock's goroutine; a
// timer that is set anew while it fires may run it twice at once.
func (w *wheel) onTimer() {
	w.turning.Lock()
	defer w.turning.Unlock()
	nano := w.loop.engine.Nanotime()
	// A loop without events must still know the time: workers woken by a
	// timeout take theirs from it.
	w.loop.observe(nano)
	now := tickOf(nano)
	for {
		due, ok := w.turn(now)
		if !ok {
			break
		}
		for _, e := range due {
			w.check(e, now)
		}
	}
	if now-w.trimmed >= trimTicks {
		w.trimmed = now
		w.loop.workers.trim(false)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = false
	if w.stopped {
		return
	}
	at, ok := w.soonestLocked()
	if w.loop.workers.some() {
		at, ok = min(at, w.trimmed+trimTicks), true
	}
	if ok {
		w.setTimerLocked(at, now)
	} else {
		w.next = noDeadline
	}
}

// turn takes the next slot that is due at tick now; false when none is.
func (w *wheel) turn(now uint32) (due []entry, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped || w.done >= now {
		return nil, false
	}
	w.running = true
	w.done++
	s := w.done % wheelSlots
	due, w.slots[s] = w.slots[s], nil
	w.filled[s/64] &^= 1 << (s % 64)
	return due, true
}

// soonestLocked finds the first filled slot after done; noDeadline and false
// when all are empty.
func (w *wheel) soonestLocked() (uint32, bool) {
	start := w.done + 1
	for i := uint32(0); i <= wheelSlots/64; i++ {
		at := start + i*64
		word := (at % wheelSlots) / 64
		set := w.filled[word]
		base := at - at%64
		if i == 0 {
			set &= math.MaxUint64 << (start % 64)
		}
		if set != 0 {
			return base + uint32(bits.TrailingZeros64(set)), true
		}
	}
	return noDeadline, false
}

// check expires e's connection if it is due, else files it again.
func (w *wheel) check(e entry, now uint32) {
	c := w.loop.engine.table.get(e.fd)
	if c == nil || c.gen != e.gen || c.filed.Load() > now {
		return // closed, or filed again elsewhere
	}
	for {
		d := c.deadline.Load()
		at := d
		switch {
		case d > now:
		case expire(c, now):
			// Whoever was told sets a new deadline, or closes. Should it do
			// neither in time, it is told again.
			at = now + 8
		default:
			at = now + 1 // an owner runs, and will set a new deadline
		}
		w.file(c, at)
		// See SetDeadline: it may have moved before what was just filed.
		if again := c.deadline.Load(); again == d || again >= c.filed.Load() {
			return
		}
	}
}

// expire tells whoever waits for c, or parked it, that its deadline passed;
// false when nobody waits, or has a new deadline.
//
// A waiter that is swapped out may have begun its wait only now, with a new
// deadline; so it looks at the deadline itself when it is told.
func expire(c *Conn, now uint32) bool {
	switch s := c.r.Load(); s {
	case nil, stReady:
	case stClosed:
		return true
	case stParked, stWoken:
		// The deadline was stored before the parking. Looking at it only now
		// spares a connection that was used and parked since check looked.
		if c.deadline.Load() > now {
			return false
		}
		c.parker.Expired(c)
		return true
	default:
		if c.r.CompareAndSwap(s, nil) {
			s.worker.tell(s.tag | wakeTimeout)
			return true
		}
	}
	switch s := c.w.Load(); s {
	case nil, stReady, stArmed, stClosed:
		return false
	default:
		if c.w.CompareAndSwap(s, stArmed) {
			s.worker.tell(s.tag | wakeTimeout)
			return true
		}
	}
	return false
}

// stop ends the wheel. When it returns no Parker is being told, nor will be.
func (w *wheel) stop() {
	w.mu.Lock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
	w.mu.Unlock()
	w.turning.Lock() // wait for onTimer
	defer w.turning.Unlock()
}

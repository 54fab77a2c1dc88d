package netio

import "slices"

// waiter stands in a Conn's ownership word for an owner that sleeps.
type waiter struct {
	worker *Worker
	tag    uint8
}

// The states of an ownership word that are not a sleeping owner.
var (
	stReady  = &waiter{}
	stParked = &waiter{}
	stWoken  = &waiter{}
	stArmed  = &waiter{}
	stClosed = &waiter{}
)

// wakeTimeout marks a token that the timer wheel sent.
const wakeTimeout = maxWait // a bit of the token's number

// maxWait is how many words one owner can wait for at once: both directions of
// two connections.
const maxWait = 4

// WaitRead sleeps until c is readable or hung up; false means that its
// deadline passed first. True may be said once too often: read, and if there is
// nothing, wait again.
func (w *Worker) WaitRead(c *Conn) bool {
	if c.unread {
		c.unread = false
		return true
	}
	for {
		if c.r.CompareAndSwap(nil, &w.waiters[0]) {
			if woken, expired := w.sleep(c); woken || expired {
				return woken
			}
		} else if c.r.CompareAndSwap(stReady, nil) || c.r.Load() == stClosed {
			return true
		}
	}
}

// waitWrite sleeps until c is writable or dead; false means that its deadline
// passed first. c.w must have been armed, and a write tried since.
func (w *Worker) waitWrite(c *Conn) bool {
	for {
		if c.w.CompareAndSwap(stArmed, &w.waiters[0]) {
			if woken, expired := w.sleep(c); woken || expired {
				return woken
			}
		} else if c.w.CompareAndSwap(stReady, stArmed) || c.w.Load() == stClosed {
			return true
		}
	}
}

// sleep takes the token of a wait for c alone. Neither result is true when the
// wheel was too late: see overdue.
func (w *Worker) sleep(c *Conn) (woken, expired bool) {
	t := w.token()
	w.budget = yieldAfter
	w.Now = max(w.Now, c.loop.Now())
	if t&wakeTimeout == 0 {
		return true, false
	}
	return false, c.overdue()
}

// overdue tells its owner whether c's deadline has passed. The wheel may have
// found an old deadline passed and then an owner that had just set a new one.
func (c *Conn) overdue() bool {
	return c.deadline.Load() <= tickOf(c.loop.engine.Nanotime())
}

// Want is one thing to wait for.
type Want struct {
	Conn  *Conn
	Write bool // wait for writability instead of readability
}

// WaitAny sleeps until at least one of wants (1 to 4, all different) is ready or
// expired. It returns two bit sets, by index: what is ready, and what timed out;
// ready may be said once too often, as by WaitRead. A writable Want sleeps only
// if the last write ended with Again.
func (w *Worker) WaitAny(wants ...Want) (ready, expired uint8) {
	if len(wants) == 0 || len(wants) > maxWait {
		panic("netio: WaitAny takes 1 to 4 wants")
	}
	if invariants {
		checkWants(wants)
	}
	for ready|expired == 0 {
		ready, expired = w.waitAny(wants)
	}
	return ready, expired
}

func (w *Worker) waitAny(wants []Want) (ready, expired uint8) {
	var in uint8 // registered: a waiter to take back, or a token to come
	for i := range wants {
		if wants[i].enter(&w.waiters[i]) {
			in |= 1 << i
		} else {
			ready |= 1 << i
		}
	}
	if ready == 0 {
		in &^= w.take(wants, &ready, &expired)
	}
	for i := range wants {
		if bit := uint8(1) << i; in&bit != 0 && !wants[i].leave(&w.waiters[i]) {
			// Swapped out by the loop or the wheel: its token is on its way,
			// though perhaps behind another's.
			for in&bit != 0 {
				in &^= w.take(wants, &ready, &expired)
			}
		}
	}
	return ready, expired
}

// take waits for a token, notes what it says and returns the bit of its want.
func (w *Worker) take(wants []Want, ready, expired *uint8) uint8 {
	t := w.token()
	w.budget = yieldAfter
	i := t &^ wakeTimeout
	c := wants[i].Conn
	w.Now = max(w.Now, c.loop.Now())
	switch {
	case t&wakeTimeout == 0:
		*ready |= 1 << i
	case c.overdue():
		*expired |= 1 << i
	}
	return 1 << i
}

// enter registers x for what q wants; false when that is ready already.
func (q *Want) enter(x *waiter) bool {
	c := q.Conn
	if q.Write {
		for {
			switch {
			case c.w.CompareAndSwap(stArmed, x):
				return true
			case c.w.CompareAndSwap(stReady, stArmed), c.w.Load() == stClosed:
				return false
			case c.w.CompareAndSwap(nil, stArmed):
				return false // not armed: no write has failed, so try one
			}
		}
	}
	if c.unread {
		c.unread = false
		return false
	}
	for {
		switch {
		case c.r.CompareAndSwap(nil, x):
			return true
		case c.r.CompareAndSwap(stReady, nil), c.r.Load() == stClosed:
			return false
		}
	}
}

// leave takes x back; false when somebody was faster, and a token will come.
func (q *Want) leave(x *waiter) bool {
	if q.Write {
		return q.Conn.w.CompareAndSwap(x, stArmed)
	}
	return q.Conn.r.CompareAndSwap(x, nil)
}

// Arm prepares for a Nudge: from now until Disarm one makes a WaitAny for writing
// to c return, also one that begins only later. So does, as ever, an event, and
// perhaps a Nudge meant for an earlier wait: the owner looks for what it waits for.
func (c *Conn) Arm() { c.w.Store(stArmed) }

// Nudge wakes c's owner if it is, or is about to be, in a WaitAny for writing
// to c. Any goroutine may call it, at any time, with any lock held: it only makes
// the owner go on elsewhere.
func (c *Conn) Nudge() {
	for {
		switch s := c.w.Load(); s {
		case nil, stReady, stClosed:
			return
		case stArmed:
			if c.w.CompareAndSwap(stArmed, stReady) {
				return
			}
		default:
			if c.w.CompareAndSwap(s, stArmed) {
				s.worker.tellAside(s.tag)
				return
			}
		}
	}
}

// checkWants panics if two wants are the same: the second would wait for the
// first to go.
func checkWants(wants []Want) {
	for i, q := range wants {
		if slices.Contains(wants[:i], q) {
			panic("netio: WaitAny for the same thing twice")
		}
	}
}

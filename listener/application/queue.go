package application

import (
	"time"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/internal/metrics"
	"github.com/elbow-lb/elbow/internal/netio"
)

// queue waits until a target has room for the request, and takes it: x.target. It
// watches the client, as awaitTarget does: a client that has left needs no place.
func (x *exchange) queue(pick *balancer.Pick, counters *metrics.GroupShard) Outcome {
	c := &x.conn.Conn
	c.Arm()
	defer c.Disarm()
	x.place.Group, x.place.Pick, x.place.Wake = x.group, *pick, c
	if !x.place.Wait() {
		counters.Rejected.Inc()
		return OutcomeTooManyOutstanding
	}
	counters.Queued.Inc()
	o := x.awaitPlace()
	t := x.place.Leave()
	switch {
	case t == nil && o == OutcomeQueueTimeout:
		counters.Rejected.Inc()
		return o
	case t == nil:
		return o
	case o == OutcomeClientClosed:
		x.group.Release(t)
		return o
	}
	x.target = t // perhaps at the last moment
	return OutcomeOK
}

// awaitPlace sleeps until x.place is granted, the client has left, or the time is
// over.
func (x *exchange) awaitPlace() Outcome {
	c, w := &x.conn.Conn, x.worker
	deadline := w.Refresh() + int64(x.group.Config.Attributes.QueueTimeout)
	wake, said := netio.Want{Conn: c, Write: true}, netio.Want{Conn: c}
	watch := true // whether the client's silence can be told from its end
	for !x.place.Granted() {
		if c.Broken() {
			return OutcomeClientClosed
		}
		rest := time.Duration(deadline - w.Refresh())
		if rest <= 0 {
			return OutcomeQueueTimeout
		}
		if watch && (!x.drained || c.Pending()) {
			s := c.Peek()
			x.drained = s == netio.Again
			if s == netio.OK {
				watch = false // its body, or more requests: they are read later
			} else if !x.drained {
				if x.bodyDone && x.start+x.consumed < x.end {
					watch = false
				} else {
					return OutcomeClientClosed
				}
			}
		}
		c.SetDeadline(w.Now, rest)
		if !watch {
			w.WaitAny(wake)
		} else if ready, _ := w.WaitAny(wake, said); ready&2 != 0 {
			x.drained = false
		}
	}
	return OutcomeOK
}

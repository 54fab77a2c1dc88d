package application

import (
	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/internal/connpool"
	"github.com/elbow-lb/elbow/internal/http1"
	"github.com/elbow-lb/elbow/internal/httpmsg"
	"github.com/elbow-lb/elbow/internal/metrics"
	"github.com/elbow-lb/elbow/internal/netio"
)

// maxAttempts bounds how often one request is sent. The first attempt may meet
// an idle connection that the target just closed, the second a target that just
// died, the third goes elsewhere.
const maxAttempts = 3

// forward relays the request to a target of f and its response back.
func (x *exchange) forward(f *balancer.Forward) {
	pick := balancer.Pick{Random: x.rand.Uint64(), Zone: x.bind.Zone}
	x.weighted = x.chooseGroup(f, pick.Random)
	if x.weighted == nil {
		x.fail(OutcomeNoTarget)
		return
	}
	x.group = x.weighted.Group
	target := x.chooseTarget(&pick)
	if target == nil {
		x.fail(OutcomeNoTarget)
		return
	}
	counters := x.group.Metrics.Shard(x.worker.Loop().Index)
	if x.target = x.group.Enter(target, &pick); x.target == nil {
		o := x.queue(&pick, counters)
		if o != OutcomeOK {
			x.fail(o)
			return
		}
	}
	x.assigned()
	x.counters.Requests.Inc()
	x.countInvalidFields()
	counters.Requests.Inc()
	x.group.EarnRetry(x.worker.Loop().Index)
	fresh := false // the next attempt must not use an idle connection
	for x.attempts = 1; ; x.attempts++ {
		o, again := x.attempt(fresh)
		if o == OutcomeOK {
			break
		}
		if x.target.State.Conns.Closed() {
			o, again = x.deregistered(o, again)
		}
		failed := x.targetShard()
		x.dropTarget()
		if again == retryNever || x.attempts == maxAttempts || x.headSent || !x.affords(counters) || again == retryElsewhere && !x.elsewhere(&pick) {
			x.countResponse(counters)
			x.release()
			x.fail(o)
			return
		}
		counters.Retries.Inc()
		failed.Retries.Inc()
		fresh = true
	}
	x.countResponse(counters)
	x.release()
}

// deregistered is what becomes of an attempt that failed at a target that is not
// registered any more. It is not made again there, since that would be something
// new. If the target failed because its time is over, that is what is said.
func (x *exchange) deregistered(o Outcome, again retry) (Outcome, retry) {
	if again == retryFresh {
		again = retryElsewhere
	}
	if !x.target.State.Conns.WasCut() {
		return o, again
	}
	switch o {
	case OutcomeTargetRefused: // it was not sent yet
		return OutcomeTargetDeregistered, again
	case OutcomeTargetClosed, OutcomeTargetMalformed, OutcomeTargetCut:
		return OutcomeTargetDeregistered, retryNever
	}
	return o, again
}

// affords tells whether the group has a retry left (elbow.retry_budget.percent).
func (x *exchange) affords(group *metrics.GroupShard) bool {
	if x.group.SpendRetry(x.worker.Loop().Index) {
		return true
	}
	group.RetriesDenied.Inc()
	return false
}

// countResponse counts the target's response, if there was one; one that broke
// off later, too.
func (x *exchange) countResponse(group *metrics.GroupShard) {
	if x.targetCode == 0 {
		return
	}
	target := x.targetShard()
	group.TargetCode(x.targetCode)
	target.TargetCode(x.targetCode)
	group.Observe(x.answered - x.sent)
	target.Observe(x.answered - x.sent)
}

func (x *exchange) targetShard() *metrics.TargetShard {
	return x.target.Metrics.Shard(x.worker.Loop().Index)
}

// assigned notes that the request has a place at x.target.
func (x *exchange) assigned() {
	x.outstanding = true
	x.targetShard().Requests.Inc()
}

// elsewhere gives the request to another target than its last; false when
// there is none. Trying the same again would triple the client's wait for a 504.
func (x *exchange) elsewhere(pick *balancer.Pick) bool {
	pick.Exclude = x.target
	other := x.group.Pick(pick)
	if other == nil || other == x.target || other.State.Conns.Closed() {
		return false
	}
	if other = x.group.Enter(other, pick); other == nil {
		return false
	}
	x.release()
	x.target = other
	x.assigned()
	return true
}

// release takes the request off the target's count.
func (x *exchange) release() {
	if x.outstanding {
		x.group.Release(x.target)
		x.outstanding = false
	}
}

// retry says whether, and how, a failed attempt may be repeated.
type retry uint8

const (
	retryNever     retry = iota
	retryFresh           // on a new connection to the same target
	retryElsewhere       // with another target
)

// attempt connects, sends the request and relays the response. A retry is only
// ever offered while the client has seen nothing and the target can have acted
// on nothing, or is asked for something idempotent (RFC 9110 section 9.2.2), and
// while the body is still at hand.
func (x *exchange) attempt(fresh bool) (Outcome, retry) {
	t, s := x.connect(fresh)
	if s != netio.OK {
		if s == netio.NoDescriptors { // our own fault
			return OutcomeOutOfDescriptors, retryNever
		}
		x.group.Metrics.Shard(x.worker.Loop().Index).ConnectionErrors.Inc()
		x.targetShard().ConnectionErrors.Inc()
		if s == netio.TimedOut {
			return OutcomeConnectTimeout, retryElsewhere
		}
		return OutcomeTargetRefused, retryElsewhere
	}
	x.tconn, x.spoiled, x.interim = t, x.desync.isolate, false
	// What was relayed while it arrived is not at hand to be sent again.
	whole, reused := x.bodyDone, t.Uses > 0
	x.composeRequest()
	if s := x.worker.Writev(&t.Conn, x.vec, x.attr.IdleTimeout); s != netio.OK {
		if s == netio.TimedOut {
			return OutcomeTargetTimeout, retryNever
		}
		return OutcomeTargetClosed, x.mayRepeat(whole, reused)
	}
	x.sent = x.worker.Now
	var o Outcome
	if whole {
		o = x.receive()
	} else {
		o = x.relayBoth()
	}
	if o == OutcomeTargetClosed {
		return o, x.mayRepeat(whole, reused)
	}
	return o, retryNever
}

// mayRepeat decides on a request whose connection broke before any response.
// whole says that all of it was sent from x.payload.
func (x *exchange) mayRepeat(whole, reused bool) retry {
	switch {
	case !whole || x.interim || !x.req.MethodID.Idempotent():
		return retryNever
	case reused:
		return retryFresh
	}
	return retryElsewhere
}

// connect takes an idle connection or opens one. What cannot be repeated does
// not go on an idle connection without a look at it: the target may have closed
// it a moment ago, and its loop not have noticed yet. Nor does anything after a
// response that has no body: targets that send one all the same, a little later,
// are the commonest whose bytes would be taken for the next response.
func (x *exchange) connect(fresh bool) (*connpool.Conn, netio.Status) {
	pool := x.target.State.Conns
	for !fresh {
		t := pool.Get(x.worker)
		if t == nil {
			break
		}
		if x.req.MethodID.Idempotent() && x.bodyDone && !t.Bodiless || t.Peek() == netio.Again {
			return t, netio.OK
		}
		t.Close()
	}
	return pool.Dial(x.worker, x.attr.ConnectTimeout)
}

// dropTarget closes the connection to the target: its state is unknown.
func (x *exchange) dropTarget() {
	if x.tconn != nil {
		x.tconn.Close()
		x.tconn = nil
	}
}

// maxInterim bounds the 1xx responses before the final one.
const maxInterim = 16

// receive waits for the response to a request that is sent in full, and relays
// it.
func (x *exchange) receive() Outcome {
	if o := x.awaitTarget(); o != OutcomeOK {
		return o
	}
	if x.resBuf == nil {
		x.resBuf = netio.GetBuf()
	}
	o := x.relayResponse()
	netio.PutBuf(x.resBuf)
	x.resBuf = nil
	return o
}

// awaitTarget sleeps until the target has something, watching the client: one
// that goes away needs no answer (ELB's 460). A client that sends FIN counts as
// gone, as it does for ELB, nginx and Envoy.
func (x *exchange) awaitTarget() Outcome {
	c, t, w := &x.conn.Conn, &x.tconn.Conn, x.worker
	t.SetDeadline(w.Now, x.attr.IdleTimeout)
	for {
		if !x.drained || c.Pending() {
			// What has come may be the end as well as a request, and what was
			// said to have come may be read already.
			s := c.Peek()
			x.drained = s == netio.Again
			switch {
			case x.drained:
			case s != netio.OK && x.start+x.consumed == x.end:
				return OutcomeClientClosed
			case !w.WaitRead(t):
				return OutcomeTargetTimeout
			default:
				// More requests are waiting behind this one: the client's word
				// is taken, so only the target could be waited for.
				return OutcomeOK
			}
		}
		ready, expired := w.WaitAny(netio.Want{Conn: t}, netio.Want{Conn: c})
		switch {
		case ready&1 != 0:
			if ready&2 != 0 {
				x.drained = false
			}
			return OutcomeOK
		case ready&2 != 0:
			x.drained = false
		case expired&1 != 0:
			return OutcomeTargetTimeout
		}
	}
}

// relayResponse reads the response head and body and relays them. The target
// is readable.
func (x *exchange) relayResponse() Outcome {
	buf := x.resBuf[:]
	first := len(buf)
	if x.tconn.Large {
		first = largeRead
	}
	end, scanned, interim := 0, 0, 0
	for {
		n, s := x.tconn.TryRead(buf[end:max(first, min(2*end, len(buf)))])
		switch s {
		case netio.OK:
			if x.answered == 0 {
				x.answered = x.worker.Now
			}
			end += n
		case netio.Again:
			if o := x.awaitTarget(); o != OutcomeOK {
				return o
			}
			continue
		default:
			if end == 0 {
				return OutcomeTargetClosed
			}
			return OutcomeTargetMalformed // ended inside a head
		}
	parse:
		if scanned > 0 && end < x.server().limits.ResponseHead && !http1.HeadComplete(buf[:end], scanned) {
			scanned = end
			continue
		}
		size, r := http1.ParseResponse(buf[:end], &x.res, x.server().limits, x.req.MethodID)
		if r != 0 {
			return x.malformed(r)
		}
		if size == 0 {
			scanned = end
			continue
		}
		if x.res.Status >= 200 {
			x.resEnd = end
			return x.relayFinal(size)
		}
		if o := x.relayInterim(size, &interim); o != OutcomeOK {
			return o
		}
		end = copy(buf, buf[size:end])
		scanned = 0
		if end > 0 {
			goto parse
		}
	}
}

func (x *exchange) malformed(r http1.Refusal) Outcome {
	x.detail = malformedReasons[r.Reason()]
	return OutcomeTargetMalformed
}

// malformedReasons are the reason words of responses that the parser refused.
var malformedReasons = func() (out [http1.NumRefusals]string) {
	for i := range out {
		out[i] = OutcomeTargetMalformed.String() + ":" + http1.Refusal(i).String()
	}
	return out
}()

// relayInterim passes a 1xx response on to a client that knows them.
func (x *exchange) relayInterim(size int, count *int) Outcome {
	if *count++; *count > maxInterim {
		return OutcomeTooManyInterim
	}
	if x.res.Status == 101 {
		return OutcomeUnsolicitedSwitch
	}
	x.answered, x.interim = 0, true // that was not the answer yet
	if x.req.HTTP10 {
		return OutcomeOK
	}
	x.vec, x.out = x.vec[:0], x.out[:0]
	x.addStatusLine()
	x.addFields(&x.res, size)
	x.add(crlf)
	o := x.toClient()
	x.headSent = o != OutcomeOK // a final response is still to come, if need be from us
	return o
}

// relayFinal sends the response head, whose size is given, with the body bytes
// that came with it, and relays the rest.
func (x *exchange) relayFinal(size int) Outcome {
	x.targetCode, x.status = x.res.Status, x.res.Status
	if x.answered == 0 {
		x.answered = x.worker.Now // it came with an interim response
	}
	x.resBody.Reset(x.res.Body, x.res.ContentLength)
	raw := x.resBuf[size:x.resEnd]
	n, used, done, r := x.resBody.Decode(raw)
	if r != 0 && n == 0 {
		return x.malformed(r)
	}
	x.spoiled = x.spoiled || used < len(raw)
	x.tconn.Large = x.res.Body == httpmsg.BodyLength && x.res.ContentLength >= spliceMin
	x.composeResponse(size, raw[:n], done)
	if o := x.toClient(); o != OutcomeOK {
		return o
	}
	if r != 0 {
		return OutcomeTargetCut
	}
	if !done {
		if o := x.relayBody(); o != OutcomeOK {
			return o
		}
	}
	x.keepTarget()
	return OutcomeOK
}

// keepTarget pools the target's connection if its next byte will begin a
// response that we asked for.
func (x *exchange) keepTarget() {
	if x.spoiled || x.res.Close || x.res.Body == httpmsg.BodyClose {
		x.dropTarget()
		return
	}
	x.tconn.Bodiless = x.res.Body == httpmsg.BodyNone && x.res.ContentLength != 0
	x.target.State.Conns.Put(x.worker, x.tconn)
	x.tconn = nil
}

// spliceMin is the body length from which moving it inside the kernel is
// cheaper than copying it. Below, the pipe costs more than it saves. CPU per
// response, copied and spliced, 16 connections, best of 3 rounds of the benchmark:
// 32 KiB 22.5 and 27.9 µs, 64 KiB 37 and 31, 128 KiB 54 and 40, 256 KiB 89 and 75.
const spliceMin = 48 << 10

// largeRead is how much is read of a response when the one before it on the
// same connection was spliced: its head and little more. Reading 64 KiB of a
// 1 MiB body before splicing the rest cost 300 µs of CPU per response, this 207.
const largeRead = 4 << 10

// relayBody relays the rest of a response body.
func (x *exchange) relayBody() Outcome {
	w, c, t := x.worker, &x.conn.Conn, &x.tconn.Conn
	for {
		if left := x.resBody.Remaining(); x.res.Body == httpmsg.BodyLength && left >= spliceMin {
			moved, s, targetSide, ok := w.Splice(c, t, left, x.attr.IdleTimeout, &x.taking)
			if ok {
				x.resBody.Skip(moved)
				x.sentBytes += moved
				switch {
				case s == netio.OK:
					return OutcomeOK
				case s == netio.Again:
					// The client said something, or left, while the target is silent.
					if o := x.awaitTarget(); o != OutcomeOK {
						return cutShort(o)
					}
					continue
				case targetSide:
					return OutcomeTargetCut
				}
				return x.clientFailed(s)
			}
		}
		got, s := t.TryRead(x.resBuf[:])
		switch {
		case s == netio.OK:
		case s == netio.Again:
			if o := x.awaitTarget(); o != OutcomeOK {
				return cutShort(o)
			}
			continue
		case s == netio.EOF && x.res.Body == httpmsg.BodyClose:
			return x.endBody()
		default:
			return OutcomeTargetCut
		}
		n, used, done, r := x.resBody.Decode(x.resBuf[:got])
		x.vec, x.out = x.vec[:0], x.out[:0]
		x.addBody(x.resBuf[:n], done)
		if o := x.toClient(); o != OutcomeOK {
			return o
		}
		if r != 0 {
			return OutcomeTargetCut
		}
		if done {
			x.spoiled = x.spoiled || used < got
			return OutcomeOK
		}
	}
}

// cutShort is the outcome of a body whose wait for more ended with o.
func cutShort(o Outcome) Outcome {
	if o == OutcomeTargetTimeout {
		return OutcomeTargetCut
	}
	return o
}

// endBody ends a response body that the target's closing ended.
func (x *exchange) endBody() Outcome {
	x.vec, x.out = x.vec[:0], x.out[:0]
	x.addBody(nil, true)
	return x.toClient()
}

// toClient writes x.vec to the client.
func (x *exchange) toClient() Outcome {
	n := 0
	for _, b := range x.vec {
		n += len(b)
	}
	if n == 0 {
		return OutcomeOK
	}
	var s netio.Status
	if len(x.vec) == 1 {
		s = x.worker.WritePaced(&x.conn.Conn, x.vec[0], &x.taking)
	} else {
		s = x.worker.WritevPaced(&x.conn.Conn, x.vec, &x.taking)
	}
	x.replying()
	if s != netio.OK {
		return x.clientFailed(s)
	}
	x.sentBytes += int64(n)
	return OutcomeOK
}

// replying notes that something went to the client.
func (x *exchange) replying() {
	if !x.headSent {
		x.headSent, x.replied = true, x.worker.Now
	}
}

func (x *exchange) clientFailed(s netio.Status) Outcome {
	x.closing, x.headSent = true, true
	if s == netio.TimedOut {
		return OutcomeSlowClient
	}
	return OutcomeClientClosed
}

package application

import (
	"time"

	"github.com/elbow-lb/elbow/internal/http1"
	"github.com/elbow-lb/elbow/internal/httpmsg"
	"github.com/elbow-lb/elbow/internal/netio"
)

// chunkRoom is what is kept free before body bytes, for a chunk's header.
const chunkRoom = 16

// minRead is how much of a chunked body is read at once even if what may follow
// its end would not fit behind this request's head.
const minRead = 4 << 10

// duplex relays a request body that is still arriving and, at the same time,
// whatever the target answers: a 100, a refusal before the body's end, or a
// response that it streams while it reads (RFC 9112 section 9.3 has no half
// duplex). It works in non-blocking steps and sleeps only when neither side
// can move.
type duplex struct {
	*exchange
	up      *netio.Buf
	toSend  [3][]byte // request body on its way to the target
	upDone  bool      // nothing more goes to the target
	end     int       // response bytes in resBuf that no head was found in yet
	scanned int
	interim int
	final   bool // the final response head was relayed
	resDone bool

	progress int64 // when something last moved
}

// relayBoth sends the rest of the request body and receives the response.
func (x *exchange) relayBoth() Outcome {
	// The beginning of the body was sent and will not be sent again: its place is
	// for what may follow the end.
	x.payload, x.consumed, x.end = nil, x.headLen, x.start+x.headLen
	d := duplex{exchange: x, up: netio.GetBuf(), progress: x.worker.Now}
	x.sending.Reset(x.attr.ClientMinRate, bodyGrace, x.attr.IdleTimeout)
	x.resBuf = netio.GetBuf()
	o := d.run()
	netio.PutBuf(d.up)
	if x.resBuf != nil {
		netio.PutBuf(x.resBuf)
		x.resBuf = nil
	}
	return o
}

func (d *duplex) run() Outcome {
	x := d.exchange
	c, t, w := &x.conn.Conn, &x.tconn.Conn, x.worker
	x.vec = x.vec[:0]
	defer c.Disarm()
	for {
		before := x.received + x.sentBytes
		moved, o := d.step()
		if moved {
			w.Spend(int(x.received + x.sentBytes - before))
			d.progress = w.Now
		}
		if o == OutcomeOK && !moved && !d.settled() {
			o = d.wait()
		}
		switch {
		case d.answered() && !d.upDone && (o != OutcomeOK || d.unwanted()):
			// That the body does not come to its end is no failure any more.
			x.closing = true
			x.dropTarget()
			return OutcomeOK
		case o != OutcomeOK:
			return o
		case d.settled() && d.resDone:
			t.Disarm()
			x.keepTarget()
			return OutcomeOK
		case d.settled():
			t.Disarm()
			x.sent = w.Now
			return x.relayResponse()
		}
	}
}

// answered tells whether the client has all of the response.
func (d *duplex) answered() bool { return d.resDone && len(d.vec) == 0 }

// settled tells whether the body is sent, and nothing of the response is in
// between: it is over, or has not begun.
func (d *duplex) settled() bool {
	return d.upDone && len(d.vec) == 0 && (d.resDone || !d.final && d.end == 0)
}

// unwanted tells of a request that is answered before its body's end whether the
// rest is of no use. A target that reads on is given it: it may have to, to be
// done with the request, though it has said all it will.
func (d *duplex) unwanted() bool {
	x := d.exchange
	return x.tconn.Hangup() || // nobody takes it
		x.req.ExpectContinue && d.interim == 0 || // it was not asked for
		x.untilClose // the client waits for the end
}

// step moves what can be moved without waiting.
func (d *duplex) step() (moved bool, o Outcome) {
	up, o := d.stepUp()
	if o != OutcomeOK {
		return false, o
	}
	down, o := d.stepDown()
	return up || down, o
}

// stepUp takes body bytes from the client and gives them to the target.
func (d *duplex) stepUp() (bool, Outcome) {
	x := d.exchange
	if d.upDone {
		return false, OutcomeOK
	}
	for i := range d.toSend {
		for len(d.toSend[i]) > 0 {
			n, s := x.tconn.TryWrite(d.toSend[i])
			switch s {
			case netio.OK:
				d.toSend[i] = d.toSend[i][n:]
			case netio.Again:
				return false, OutcomeOK
			default:
				// It may have answered before it closed: read on.
				d.upDone, x.spoiled = true, true
				return true, OutcomeOK
			}
		}
	}
	if x.bodyDone {
		d.upDone = true
		return true, OutcomeOK
	}
	in := d.up[chunkRoom:netio.BufSize]
	if x.req.Body == httpmsg.BodyLength {
		in = in[:min(int64(len(in)), x.body.Remaining())]
	} else {
		// No more than keepInput has room for, should the body end at once.
		in = in[:min(len(in), max(netio.BufSize-x.end, minRead))]
	}
	n, s := x.conn.TryRead(in)
	switch s {
	case netio.OK:
		x.received += int64(n)
		x.sending.Moved(int64(n))
		return true, d.takeUp(in[:n])
	case netio.Again:
		return false, OutcomeOK
	case netio.EOF:
		return false, OutcomeBodyCut
	}
	return false, OutcomeClientClosed
}

// takeUp decodes body bytes and queues them, framed for the target.
func (d *duplex) takeUp(raw []byte) Outcome {
	x := d.exchange
	n, used, done, r := x.body.Decode(raw)
	if r != 0 {
		return refused(r)
	}
	x.bodyDone = done
	if used < len(raw) {
		x.keepInput(raw[used:])
	}
	if x.req.Body != httpmsg.BodyChunked {
		d.toSend[0] = raw[:n]
		return OutcomeOK
	}
	if n > 0 {
		var room [chunkRoom]byte
		head := http1.AppendChunkHeader(room[:0], n)
		from := chunkRoom - len(head)
		copy(d.up[from:], head)
		d.toSend[0] = d.up[from : chunkRoom+n]
		d.toSend[1] = crlf
	}
	if done {
		x.tail = x.appendLastChunk(x.tail[:0])
		d.toSend[2] = x.tail
	}
	return OutcomeOK
}

// keepInput keeps bytes that were read behind the body: the next request.
func (x *exchange) keepInput(b []byte) {
	for len(x.buf)-x.end < len(b) {
		if x.big != nil {
			// More was pipelined behind a streamed body than fits beside this
			// request's head. No client does that; it is asked to come again.
			x.closing = true
			return
		}
		big := netio.GetBuf()
		copy(big[:], x.buf[:x.end])
		// The head stays where it is, in inline: views of it remain valid.
		x.big, x.buf = big, big[:]
	}
	x.end += copy(x.buf[x.end:], b)
	x.drained = false
	x.next = x.worker.Now
}

// stepDown takes response bytes from the target and gives them to the client.
func (d *duplex) stepDown() (bool, Outcome) {
	x := d.exchange
	for len(x.vec) > 0 {
		n, s := x.conn.TryWrite(x.vec[0])
		switch s {
		case netio.OK:
			x.replying()
			x.sentBytes += int64(n)
			if x.vec[0] = x.vec[0][n:]; len(x.vec[0]) == 0 {
				x.vec = x.vec[1:]
			}
		case netio.Again:
			return false, OutcomeOK
		default:
			return false, x.clientFailed(s)
		}
	}
	if d.resDone {
		return false, OutcomeOK
	}
	got, s := x.tconn.TryRead(x.resBuf[d.end:])
	switch s {
	case netio.OK:
	case netio.Again:
		return false, OutcomeOK
	default:
		return d.targetEnded(s)
	}
	x.vec, x.out = x.vecArr[:0], x.out[:0]
	if !d.final {
		if x.answered == 0 {
			x.answered = x.worker.Now
		}
		d.end += got
		return true, d.findHead()
	}
	n, used, done, r := x.resBody.Decode(x.resBuf[:got])
	if r != 0 {
		return false, OutcomeTargetCut
	}
	x.spoiled = x.spoiled || done && used < got
	d.resDone = done
	x.addBody(x.resBuf[:n], done)
	return true, OutcomeOK
}

// targetEnded handles the end of the target's stream.
func (d *duplex) targetEnded(s netio.Status) (bool, Outcome) {
	x := d.exchange
	switch {
	case d.final && s == netio.EOF && x.res.Body == httpmsg.BodyClose:
		d.resDone = true
		x.vec, x.out = x.vecArr[:0], x.out[:0]
		x.addBody(nil, true)
		return true, OutcomeOK
	case d.final:
		return false, OutcomeTargetCut
	case d.end == 0:
		return false, OutcomeTargetClosed
	}
	return false, OutcomeTargetMalformed
}

// findHead looks for a response head in resBuf[:end], and queues it for the
// client. Interim responses that stand before it are queued one per call.
func (d *duplex) findHead() Outcome {
	x := d.exchange
	lim := x.server().limits
	for d.end > 0 {
		if d.scanned > 0 && d.end < lim.ResponseHead && !http1.HeadComplete(x.resBuf[:d.end], d.scanned) {
			d.scanned = d.end
			return OutcomeOK
		}
		size, r := http1.ParseResponse(x.resBuf[:d.end], &x.res, lim, x.req.MethodID)
		if r != 0 {
			return x.malformed(r)
		}
		if size == 0 {
			d.scanned = d.end
			return OutcomeOK
		}
		if x.res.Status >= 200 {
			d.final = true
			return d.queueFinal(size)
		}
		// Interim responses are rare and small: written at once.
		if o := x.relayInterim(size, &d.interim); o != OutcomeOK {
			return o
		}
		x.vec = x.vecArr[:0]
		d.end = copy(x.resBuf[:], x.resBuf[size:d.end])
		d.scanned = 0
	}
	return OutcomeOK
}

func (d *duplex) queueFinal(size int) Outcome {
	x := d.exchange
	x.targetCode, x.status = x.res.Status, x.res.Status
	if x.answered == 0 {
		x.answered = x.worker.Now // it came with an interim response
	}
	x.resBody.Reset(x.res.Body, x.res.ContentLength)
	raw := x.resBuf[size:d.end]
	d.end = 0 // what comes next is read when this has gone out
	n, used, done, r := x.resBody.Decode(raw)
	if r != 0 {
		return x.malformed(r)
	}
	x.spoiled = x.spoiled || used < len(raw)
	d.resDone = done
	x.composeResponse(size, raw[:n], done)
	return OutcomeOK
}

// bodyGrace is how long a client may pause before it sends the body, and later
// where it has not been faster than it must.
const bodyGrace = 5 * time.Second

// wait sleeps until a side can move. Any progress gives both sides a new idle
// timeout; besides, the client must keep up its rates.
func (d *duplex) wait() Outcome {
	x := d.exchange
	c, t, w := &x.conn.Conn, &x.tconn.Conn, x.worker
	idle := x.attr.IdleTimeout
	if d.answered() {
		idle = lingerTimeout
	}
	stuck := len(d.toSend[0])+len(d.toSend[1])+len(d.toSend[2]) > 0 // the target does not take it
	paced := !d.upDone && !stuck && d.mustSend()
	since, unsent := w.Now, int64(0)
	forClient := idle - time.Duration(since-d.progress)
	t.SetDeadline(since, max(forClient, 1))
	if paced {
		forClient = min(forClient, x.sending.Left())
	}

	up, down := netio.Want{Conn: c}, netio.Want{Conn: t}
	if stuck {
		up = netio.Want{Conn: t, Write: true}
	}
	if len(x.vec) > 0 {
		down = netio.Want{Conn: c, Write: true}
		forClient = min(forClient, x.taking.Left())
		unsent = c.Unsent()
	}
	c.SetDeadline(since, max(forClient, 1))
	var expired, ready uint8
	if d.upDone {
		ready, expired = w.WaitAny(down)
	} else {
		ready, expired = w.WaitAny(up, down)
	}

	waited := time.Duration(w.Now - since)
	if len(x.vec) > 0 {
		x.taking.Waited(waited)
		x.taking.Moved(unsent - c.Unsent())
	}
	if paced {
		x.sending.Waited(waited)
	}
	over := time.Duration(w.Now-d.progress) >= idle
	switch {
	case ready != 0 || expired == 0:
		return OutcomeOK
	case len(x.vec) > 0 && (over || x.taking.Left() == 0):
		return x.clientFailed(netio.TimedOut)
	case over && (d.upDone || stuck):
		return OutcomeTargetTimeout
	case over:
		return OutcomeBodyTimeout
	case paced && x.sending.Left() == 0:
		return OutcomeBodyTooSlow
	}
	return OutcomeOK
}

// mustSend tells whether the client owes its body: not while it waits to be asked
// for it, nor once the target has begun to answer, for then the two may be in
// conversation.
func (d *duplex) mustSend() bool {
	x := d.exchange
	return x.attr.ClientMinRate > 0 && !d.final && (!x.req.ExpectContinue || d.interim > 0)
}

package application

import (
	"crypto/rand"
	"encoding/binary"
	prng "math/rand/v2"
	"time"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/balancer/rule"
	"github.com/elbow-lb/elbow/balancer/sticky"
	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/accesslog"
	"github.com/elbow-lb/elbow/internal/connpool"
	"github.com/elbow-lb/elbow/internal/http1"
	"github.com/elbow-lb/elbow/internal/httpmsg"
	"github.com/elbow-lb/elbow/internal/metrics"
	"github.com/elbow-lb/elbow/internal/netio"
)

// inlineSize is the read buffer that every exchange has of its own. A request
// without a body fits; what does not moves to a netio.Buf. Holding 64 KiB per
// request in flight instead cost 12 % CPU at 256 connections.
const inlineSize = 4 << 10

// exchange is one request and its response, and between requests the scratch
// space of its worker. It belongs to the worker's goroutine.
type exchange struct {
	worker *netio.Worker
	rand   *prng.PCG

	// The connection being served; nil between attach and detach.
	conn *conn

	// Input from the client: buf[start:end] is unread. drained says that the
	// socket was empty after the last read.
	buf        []byte
	big        *netio.Buf // buf, when it outgrew inline
	start, end int
	drained    bool

	// One request; reset by begin.
	bind     *balancer.Bind
	attr     *config.LoadBalancerAttributes
	counters *metrics.ListenerShard
	from     origin
	req      httpmsg.Head
	headLen  int
	body     http1.Body
	payload  []byte // body bytes that came with the head
	consumed int    // bytes of buf that the request took, from start
	bodyDone bool
	closing  bool  // the client's connection ends after the response
	first    int64 // when its first byte came
	next     int64 // when that of the request behind its relayed body did; else 0
	sent     int64 // when the request went to the target
	answered int64 // when the target's response began
	replied  int64 // when the first bytes of the final response had gone to the client

	desync desyncVerdict

	// The response.
	action      *balancer.Action
	actions     string
	target      *balancer.Target
	group       *balancer.Group
	weighted    *balancer.WeightedGroup // group, as the action has it
	outstanding bool
	outcome     Outcome
	status      int // sent to the client
	targetCode  int
	headSent    bool // bytes of the final response went to the client
	received    int64
	sentBytes   int64
	redirect    []byte
	detail      string // reason word in place of outcome's
	rechunk     bool   // the response goes to the client in chunks
	untilClose  bool   // the end of the connection tells the client where the body ends
	interim     bool   // the target sent an interim response
	spoiled     bool   // the target's connection is in no state to be used again, or may not be

	// Patience with the client, for its body and for its reading.
	sending netio.Pace
	taking  netio.Pace

	place balancer.Waiter // in the queue of the target group

	res      httpmsg.Head
	resBody  http1.Body
	resBuf   *netio.Buf
	resEnd   int
	tconn    *connpool.Conn
	attempts int

	// Scratch.
	out       []byte   // lines of our own
	vec       [][]byte // what a writev sends
	ruleIn    rule.Request
	trace     []byte // X-Amzn-Trace-Id that the target got
	location  []byte
	rewritten transformed
	tail      []byte // end of a chunked request body
	room      sticky.Scratch
	record    accesslog.Record

	inline   [inlineSize]byte
	outArr   [1024]byte
	vecArr   [32][]byte
	pathArr  [512]byte
	traceArr [256]byte
	tidArr   [36]byte
}

// exchangeOf returns the exchange of w, making it on first use.
func exchangeOf(w *netio.Worker) *exchange {
	if x, ok := w.Local.(*exchange); ok {
		return x
	}
	var seed [16]byte
	rand.Read(seed[:]) // never fails
	x := &exchange{
		worker: w,
		rand:   prng.NewPCG(binary.LittleEndian.Uint64(seed[:8]), binary.LittleEndian.Uint64(seed[8:])),
	}
	x.buf = x.inline[:]
	x.out = x.outArr[:0]
	x.vec = x.vecArr[:0]
	w.Local = x
	return x
}

func (x *exchange) attach(c *conn) {
	x.conn = c
	x.start, x.end, x.drained = 0, 0, false
}

// detach lets go of the connection and of everything borrowed.
func (x *exchange) detach() {
	x.conn = nil
	x.shrink()
	if x.resBuf != nil {
		netio.PutBuf(x.resBuf)
		x.resBuf = nil
	}
}

// shrink goes back to the inline buffer. Unread input must be none.
func (x *exchange) shrink() {
	if x.big != nil {
		netio.PutBuf(x.big)
		x.big = nil
		x.buf = x.inline[:]
	}
}

// abandon lets go of the target after a panic, and answers the request if
// nothing was sent. The client's connection is its task's to close.
func (x *exchange) abandon() {
	if x.conn == nil {
		return
	}
	x.release()
	if x.place.Wake != nil {
		if t := x.place.Leave(); t != nil {
			x.group.Release(t)
		}
	}
	if x.tconn != nil && !x.tconn.Closed() {
		x.tconn.Close()
	}
	if x.bind == nil {
		return // between two requests
	}
	// What made the first panic may make another.
	defer func() { _ = recover() }()
	x.outcome, x.closing = OutcomeInternal, true
	if x.headSent {
		x.counters.Refuse(uint8(x.outcome)) // it may be logged already
		return
	}
	x.vec, x.out = x.vecArr[:0], x.outArr[:0]
	x.refuse()
	x.finish()
}

// headResult is what readHead came back with.
type headResult uint8

const (
	headComplete headResult = iota // a request to serve (or to refuse: x.outcome)
	headNone                       // nothing there: park
	headGone                       // the client closed, or is not worth an answer
)

// readHead reads until a head is complete. It sleeps only when part of one is
// there.
func (x *exchange) readHead() headResult {
	c, w := x.conn, x.worker
	x.bind = nil
	scanned, waited := 0, false
	for {
		if x.start < x.end {
			in := x.buf[x.start:x.end]
			if c.place&blankLine != 0 && in[0] == '\r' {
				x.req.Reset(nil)
				x.begin(0, refused(http1.BadLineEnding)) // a second one
				return headComplete
			}
			if scanned == 0 || http1.HeadComplete(in, scanned) {
				n, r := http1.ParseRequest(in, &x.req, x.server().limits)
				if n > 0 || r != 0 {
					x.begin(n, refusedOr(r))
					return headComplete
				}
			}
			scanned = len(in)
			if x.end == len(x.buf) && x.big == nil && x.server().Pressure() == PressureRefuse {
				// It would take sixteen times the memory to read on.
				x.req.Reset(nil)
				x.begin(0, OutcomeMemoryPressure)
				return headComplete
			}
			if x.end == len(x.buf) && !x.makeRoom() {
				// Parsing says which limit it broke, and where its parts are now
				// that the input has moved.
				_, r := http1.ParseRequest(in, &x.req, x.server().limits)
				if r == 0 {
					r = http1.HeadTooLarge
				}
				x.begin(0, refused(r))
				return headComplete
			}
		} else {
			x.start, x.end = 0, 0
			if x.drained {
				x.drained = false
				return headNone
			}
		}
		n, s := c.TryRead(x.buf[x.end:])
		switch s {
		case netio.OK:
			if x.start == x.end {
				x.first = w.Now
			}
			x.drained = n < len(x.buf)-x.end && !c.Hangup()
			x.end += n
		case netio.Again:
			if x.start == x.end {
				return headNone
			}
			if x.onlyBlank() && c.place&blankLine == 0 {
				c.place |= blankLine
				x.start, x.end = 0, 0
				return headNone
			}
			if !waited {
				waited = true
				c.SetDeadline(w.Now, c.bind.Listener.LoadBalancer.Attributes.HeadTimeout)
			}
			if !w.WaitRead(&c.Conn) {
				x.req.Reset(nil)
				x.begin(0, OutcomeHeadTimeout)
				return headComplete
			}
		case netio.EOF:
			if x.start < x.end && !x.onlyBlank() {
				// Half a request: say so to a client that may still read.
				x.req.Reset(nil)
				x.begin(0, OutcomeBodyCut)
				return headComplete
			}
			return headGone
		default:
			return headGone
		}
	}
}

// onlyBlank tells whether the input is one empty line. Some clients send one
// behind a body; it begins no request (RFC 9112 section 2.2), so nobody waits for
// the rest of one.
func (x *exchange) onlyBlank() bool { return string(x.buf[x.start:x.end]) == "\r\n" }

func refusedOr(r http1.Refusal) Outcome {
	if r == 0 {
		return OutcomeOK
	}
	return refused(r)
}

func (x *exchange) server() *Server { return x.conn.server }

// makeRoom makes the buffer larger, or moves the input to its front; false
// when it is as large as it gets.
func (x *exchange) makeRoom() bool {
	if x.start > 0 {
		x.end = copy(x.buf, x.buf[x.start:x.end])
		x.start = 0
		return true
	}
	if x.big != nil {
		return false
	}
	x.big = netio.GetBuf()
	x.end = copy(x.big[:], x.buf[x.start:x.end])
	x.start = 0
	x.buf = x.big[:]
	return true
}

// begin starts the exchange whose head, of n bytes, is parsed. From here on one
// configuration holds.
func (x *exchange) begin(n int, o Outcome) {
	c := x.conn
	c.place &^= blankLine
	removed := c.reload()
	x.bind = c.bind
	x.attr = &x.bind.Listener.LoadBalancer.Attributes
	x.counters = x.bind.Listener.Metrics.Shard(x.worker.Loop().Index)
	x.headLen, x.consumed = n, n
	x.outcome = o
	x.closing = removed || o != OutcomeOK
	x.action, x.actions, x.target, x.group, x.weighted = nil, "", nil, nil, nil
	x.status, x.targetCode, x.headSent = 0, 0, false
	x.received, x.sentBytes = int64(n), 0
	x.next, x.sent, x.answered, x.replied = 0, 0, 0, 0
	x.redirect, x.trace, x.payload, x.detail = nil, nil, nil, ""
	x.rechunk, x.untilClose = false, false
	x.rewritten.reset()
	x.vec = x.vecArr[:0]
	x.bodyDone = true
	x.taking.Reset(x.attr.ClientMinRate, x.attr.SendTimeout, x.attr.SendTimeout)
	x.locate(o == OutcomeOK)
	x.desync = desyncVerdict{}
	if o != OutcomeOK {
		x.received = int64(x.end - x.start)
		x.judgeRefused()
		return
	}
	x.judge()
	x.closing = x.closing || x.req.Close || x.server().keepsNone() || c.lifetimeOver(x.worker.Now)
	x.body.Reset(x.req.Body, x.req.ContentLength)
	if x.req.Body != httpmsg.BodyNone {
		x.takeBody()
	}
}

// takeBody takes the part of the body that came with the head.
func (x *exchange) takeBody() {
	data := x.buf[x.start+x.headLen : x.end]
	n, used, done, r := x.body.Decode(data)
	x.payload, x.bodyDone = data[:n], done
	x.consumed = x.headLen + used
	x.received = int64(x.consumed)
	if r != 0 {
		x.outcome, x.closing = refused(r), true
	}
}

// run serves the request and tells whether the connection is kept.
func (x *exchange) run() bool {
	if x.outcome == OutcomeOK {
		x.outcome = x.admit()
	}
	if x.outcome == OutcomeOK {
		x.outcome = x.route()
	}
	if x.outcome == OutcomeOK {
		x.answer()
	} else {
		x.refuse()
	}
	keep := !x.closing && x.drainBody()
	x.finish()
	if keep {
		x.start += x.consumed
		switch {
		case x.start == x.end:
			x.shrink()
			x.start, x.end = 0, 0
		case x.next != 0:
			x.first = x.next
		}
	}
	return keep
}

// admit refuses what no target may see.
func (x *exchange) admit() Outcome {
	if x.server().Pressure() == PressureRefuse {
		return OutcomeMemoryPressure
	}
	if !x.mitigate() {
		return OutcomeDesyncBlocked
	}
	switch x.req.MethodID {
	case httpmsg.MethodConnect:
		x.closing = true // what follows may be meant for the tunnel
		return OutcomeMethodNotAllowed
	case httpmsg.MethodTrace:
		return OutcomeMethodNotAllowed
	}
	if !x.expected() {
		x.closing = true // whether the client sends its body is anyone's guess
		return OutcomeExpectation
	}
	if x.attr.XFFMode == config.XFFAppend && x.countForwarded() > maxForwarded {
		return OutcomeTooManyForwarded
	}
	if badPath(x.req.Bytes(x.req.Path)) {
		return OutcomeBadPath
	}
	return OutcomeOK
}

// expected tells whether the request expects nothing, or what can be met. HTTP/1.0
// knows no expectations (RFC 9110 section 10.1.1).
//
// What is not exactly 100-continue, such as "Expect: y 100-continue", is refused
// and not passed on: servers that read it in two ways are how one request is made
// to hide another.
func (x *exchange) expected() bool {
	if x.req.HTTP10 || !x.req.Has(httpmsg.FieldExpect) {
		return true
	}
	v, _, alone := x.only(httpmsg.FieldExpect)
	return alone && httpmsg.EqualFold(v, "100-continue")
}

// route finds the action of the first rule that matches.
func (x *exchange) route() Outcome {
	l := x.bind.Listener
	i := -1
	if len(l.Actions) > 0 {
		x.ruleIn = rule.Request{
			Host:   ruleHost(x.req.Bytes(x.req.Host)),
			Method: x.req.Bytes(x.req.Method),
			Query:  x.req.Bytes(x.req.Query),
			Source: x.from.client.Addr(),
			Head:   (*ruleFields)(x),
		}
		var ok bool
		if i, ok = x.match(); !ok {
			return OutcomeAmbiguousPath
		}
		// As ELB counts: all rules up to the one that matched.
		if i >= 0 {
			x.counters.RuleEvaluations.Add(uint64(i) + 1)
		} else {
			x.counters.RuleEvaluations.Add(uint64(l.Rules.Len()))
		}
	}
	x.action = l.Action(i)
	if x.action.Transform != nil {
		return x.transform(x.action.Transform)
	}
	return OutcomeOK
}

// ruleHost is the host that rules see: without the port, and without the dot that
// a full domain name may end with (RFC 1034 section 3.1), which many targets take
// off as well.
func ruleHost(h []byte) []byte {
	h = hostOnly(h)
	if n := len(h); n > 1 && h[n-1] == '.' {
		return h[:n-1]
	}
	return h
}

// requestPath is the path of the request; "/" where it has none.
func (x *exchange) requestPath() []byte {
	if p := x.req.Bytes(x.req.Path); len(p) > 0 {
		return p
	}
	return slash
}

var slash = []byte("/")

// answer carries out the action.
func (x *exchange) answer() {
	switch x.action.Type {
	case config.Forward:
		x.actions = "forward"
		if x.rewritten.status != "" {
			x.actions = "rewrite,forward"
		}
		x.forward(x.action.Forward)
	case config.Redirect:
		x.actions = "redirect"
		x.sendRedirect(x.action.Redirect)
	case config.FixedResponse:
		x.actions = "fixed-response"
		x.sendFixed(x.action.Fixed)
	}
}

// unreadLimit bounds the body that is read only to be able to keep the
// connection; beyond it closing is cheaper for both.
const unreadLimit = 64 << 10

// drainBody reads what is left of the request body; false when that is not
// worth it, or failed.
func (x *exchange) drainBody() bool {
	if x.bodyDone {
		return true
	}
	if x.req.ExpectContinue || x.req.Body != httpmsg.BodyLength || x.body.Remaining() > unreadLimit {
		return false
	}
	// The head is not needed any more, but for the log: read behind it.
	b := netio.GetBuf()
	defer netio.PutBuf(b)
	deadline := x.worker.Refresh() + int64(drainTimeout)
	for !x.bodyDone {
		rest := max(time.Duration(deadline-x.worker.Now), 1) // 0 would be for ever
		n, s := x.worker.Read(&x.conn.Conn, b[:min(x.body.Remaining(), netio.BufSize)], rest)
		if s != netio.OK {
			x.closing = true
			return false
		}
		x.received += int64(n)
		_, _, done, _ := x.body.Decode(b[:n])
		x.bodyDone = done
	}
	x.drained = false
	return true
}

// drainTimeout bounds the wait for the whole rest of a body that nobody wants.
const drainTimeout = 5 * time.Second

// willDrain tells, before the response head is written, whether drainBody will
// be tried: the head must say if the connection closes.
func (x *exchange) willDrain() bool {
	return x.bodyDone || !x.req.ExpectContinue && x.req.Body == httpmsg.BodyLength && x.body.Remaining() <= unreadLimit
}

// linger ends a connection so that the client can read the last response:
// closing a socket with unread input sends RST, which destroys what is on its
// way (RFC 9112 section 9.6).
func (x *exchange) linger() {
	c := x.conn
	if c.Broken() || !x.headSent {
		return
	}
	unread := !x.bodyDone || x.start+x.consumed < x.end || c.Pending()
	if !unread && x.outcome == OutcomeOK {
		return
	}
	c.CloseWrite()
	b := netio.GetBuf()
	defer netio.PutBuf(b)
	deadline := x.worker.Refresh() + int64(lingerTimeout)
	for left := lingerLimit; left > 0; {
		rest := time.Duration(deadline - x.worker.Now)
		if rest <= 0 {
			return
		}
		n, s := x.worker.Read(&c.Conn, b[:], rest)
		if s != netio.OK {
			return
		}
		left -= n
	}
}

// Bounds of linger: what is read, and for how long. A body that its target takes
// though it has answered may pause for as long.
const (
	lingerLimit   = 256 << 10
	lingerTimeout = 2 * time.Second
)

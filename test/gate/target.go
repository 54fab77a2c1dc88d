package gate

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/elbow-lb/elbow/test/lbtest"
)

// Target is what stands behind the load balancer: it keeps every byte that it
// receives, answers each request with what it saw of it, or with what the case
// says, and never forgives.
type Target struct {
	listener net.Listener
	serving  sync.WaitGroup

	mu    sync.Mutex // guards the fields below
	reply *Reply
	stamp string // of the case that is under way
	conns []*targetConn
}

// targetConn is one connection from the load balancer.
type targetConn struct {
	net.Conn
	raw   bytes.Buffer // read by the connection's goroutine only, until done
	done  chan struct{}
	seen  []*Request // guarded by Target.mu
	fault error      // what came was no valid request
	ended bool       // the load balancer closed first
	used  bool       // it carried a request of the case; guarded by Target.mu

	ending bool // we close it; guarded by Target.mu
}

// Request is one request that a target saw.
type Request struct {
	Start    string
	Fields   []lbtest.Field
	Trailers []lbtest.Field
	Body     []byte
	Complete bool
	Own      bool // one of the runner's own: it follows the case
	Conn     int  // which of the case's target connections, from 0
}

// Get returns the values of the named field, in order.
func (r *Request) Get(name string) []string {
	var out []string
	for _, f := range r.Fields {
		if strings.EqualFold(f.Name, name) {
			out = append(out, f.Value)
		}
	}
	return out
}

// Header fields between the runner and its target.
const (
	ownField   = "X-Gate-Own"   // marks the runner's own requests
	echoField  = "X-Gate-Echo"  // in an answer: the request line that it answers
	stampField = "X-Gate-Stamp" // in an answer: which case was under way
)

// NewTarget starts a target on 127.0.0.1; Close ends it.
func NewTarget() (*Target, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &Target{listener: l}
	t.serving.Go(t.accept)
	return t, nil
}

// Addr is host:port.
func (t *Target) Addr() string { return t.listener.Addr().String() }

// Close ends the target.
func (t *Target) Close() {
	t.listener.Close()
	t.take(false)
	t.serving.Wait()
}

// begin prepares the target for a case.
func (t *Target) begin(stamp string, reply *Reply) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stamp, t.reply = stamp, reply
}

// seenByTarget is everything that a target saw during a case.
type seenByTarget struct {
	requests []*Request // in the order in which their heads came
	raw      [][]byte   // by connection
	faults   []string
	kept     []string // connections that had to be closed, and were not
}

// take ends all connections and returns what came on them. With discards, those
// that carried a request of the case must have been closed by the load balancer,
// which is given time for it.
func (t *Target) take(discards bool) seenByTarget {
	t.mu.Lock()
	conns := t.conns
	t.conns = nil
	t.mu.Unlock()
	var out seenByTarget
	for i, c := range conns {
		if t.carried(c) && discards {
			select {
			case <-c.done:
			case <-time.After(Patience):
			}
		}
		t.finish(c)
		if c.used && discards && !c.ended {
			out.kept = append(out.kept, fmt.Sprintf("target connection %d is not closed", i))
		}
		if c.fault != nil {
			out.faults = append(out.faults, fmt.Sprintf("the target connection %d received what is no valid request: %v", i, c.fault))
		}
		after := false
		for _, r := range c.seen {
			r.Conn = i
			out.requests = append(out.requests, r)
			if after && discards {
				out.kept = append(out.kept, fmt.Sprintf("target connection %d is used again, for %s", i, r.Start))
			}
			after = after || c.used && !r.Own
		}
		out.raw = append(out.raw, c.raw.Bytes())
	}
	return out
}

// finish ends a connection in an orderly way: the next case must not meet it in
// the load balancer's pool.
func (t *Target) finish(c *targetConn) {
	t.mu.Lock()
	c.ending = true
	t.mu.Unlock()
	c.Conn.(*net.TCPConn).CloseWrite()
	select {
	case <-c.done:
	case <-time.After(goodbye):
		c.Close()
		<-c.done
	}
}

// goodbye is how long a load balancer has to answer a close with its own. One
// that does not is none the worse.
const goodbye = 500 * time.Millisecond

func (t *Target) carried(c *targetConn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return c.used
}

func (t *Target) accept() {
	for {
		c, err := t.listener.Accept()
		if err != nil {
			return
		}
		tc := &targetConn{Conn: c, done: make(chan struct{})}
		t.mu.Lock()
		t.conns = append(t.conns, tc)
		t.mu.Unlock()
		t.serving.Go(func() { t.serve(tc) })
	}
}

// serve reads requests and answers them until the connection ends.
func (t *Target) serve(c *targetConn) {
	defer close(c.done)
	defer c.Close()
	r := bufio.NewReaderSize(io.TeeReader(c, &c.raw), 64<<10)
	for {
		m, err := lbtest.ReadHead(r)
		if err != nil {
			t.mu.Lock()
			c.ended = len(m.Raw()) == 0 && !c.ending
			t.mu.Unlock()
			if len(m.Raw()) > 0 {
				c.fault = err
			}
			return
		}
		if c.fault = strictHead(m); c.fault != nil {
			t.see(c, m)
			return
		}
		req, reply, stamp := t.see(c, m)
		if reply != nil && reply.Early && !t.send(c, reply) {
			return
		}
		if len(m.Get("Expect")) > 0 && reply == nil {
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		err = m.ReadBody(r, "")
		t.mu.Lock()
		req.Body, req.Trailers, req.Complete = m.Body(), m.Trailers(), err == nil
		t.mu.Unlock()
		if err != nil {
			// A body that breaks off is for the judge to judge.
			if strings.Contains(err.Error(), lbtest.ErrMalformed.Error()) {
				c.fault = err
			}
			return
		}
		switch {
		case reply == nil:
			if _, err := c.Write(answer(m, stamp)); err != nil {
				return
			}
		case !reply.Early:
			if !t.send(c, reply) {
				return
			}
		}
	}
}

// see keeps a request whose head has come, and returns what to answer: nil is
// for the normal answer.
func (t *Target) see(c *targetConn, m *lbtest.Message) (*Request, *Reply, string) {
	req := &Request{Start: m.Start(), Fields: m.Fields(), Own: len(m.Get(ownField)) > 0}
	t.mu.Lock()
	defer t.mu.Unlock()
	c.seen = append(c.seen, req)
	if req.Own {
		return req, nil, t.stamp
	}
	c.used = true
	return req, t.reply, t.stamp
}

// send sends the case's reply and tells whether the connection goes on.
func (t *Target) send(c *targetConn, reply *Reply) bool {
	_, err := c.Write(reply.Bytes)
	if reply.Close {
		// The response must not be lost to a reset: let the load balancer close.
		c.Conn.(*net.TCPConn).CloseWrite()
	}
	return err == nil
}

// answer is the normal answer: 200, and what was asked.
func answer(m *lbtest.Message, stamp string) []byte {
	body := echo(m.Start()) + "\n"
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\n%s: %s\r\n%s: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n",
		echoField, echo(m.Start()), stampField, stamp, len(body))
	if m.Word(0) == "HEAD" {
		return []byte(head)
	}
	return []byte(head + body)
}

// echo is a request line as an answer repeats it: ASCII, and not long.
func echo(start string) string {
	q := strconv.QuoteToASCII(start)
	if len(q) > 200 {
		q = fmt.Sprintf("%s...(%d)", q[:200], len(start))
	}
	return q
}

// strictHead says what is wrong with a head beyond what the reader looks at, and
// could be read otherwise by somebody.
func strictHead(m *lbtest.Message) error {
	parts := strings.Split(m.Start(), " ")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] != "HTTP/1.1" && parts[2] != "HTTP/1.0" {
		return fmt.Errorf("request line %q", m.Start())
	}
	for _, c := range []byte(parts[0]) {
		if !token(c) {
			return fmt.Errorf("method %q", parts[0])
		}
	}
	for _, c := range []byte(parts[1]) {
		if c <= ' ' || c == 0x7f {
			return fmt.Errorf("request target %q", parts[1])
		}
	}
	for _, f := range m.Fields() {
		for _, c := range []byte(f.Name) {
			if !token(c) {
				return fmt.Errorf("field name %q", f.Name)
			}
		}
		for _, c := range []byte(f.Value) {
			if c == '\r' || c == '\n' || c == 0 {
				return fmt.Errorf("field %s: %q", f.Name, f.Value)
			}
		}
	}
	if n := len(m.Get("Host")); n > 1 || n == 0 && parts[2] == "HTTP/1.1" {
		return fmt.Errorf("%d Host fields", n)
	}
	return nil
}

// token tells whether c may stand in a token (RFC 9110 section 5.6.2).
func token(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

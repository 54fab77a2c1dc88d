package gate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/elbow-lb/elbow/test/lbtest"
)

// Patience bounds every wait for something that should come at once. Only a
// case that fails reaches it. It must not change while cases are played.
var Patience = 5 * time.Second

// Response is one final response that the client got.
type Response struct {
	Status int
	Fields []lbtest.Field
	Body   []byte
	Raw    []byte
	Echo   string // what the target says it answers; "" if it is not the target's normal answer
	Stamp  string
	Last   bool // it says that the connection ends
	Cut    bool // it broke off
}

// Get returns the values of the named field, in order.
func (r *Response) Get(name string) []string {
	return (&Request{Fields: r.Fields}).Get(name)
}

// client is the raw client of one case.
type client struct {
	net.Conn
	r       *bufio.Reader
	methods []string // of the requests whose responses have not come
	in      []byte   // everything that came
	fault   string   // what came was no valid response
	closed  bool
	silent  bool
	dribble bool // small sends go byte by byte
}

// dial connects from an address. The log tells clients apart by theirs: their
// ports come again.
func dial(from netip.Addr, to string) (*client, error) {
	d := net.Dialer{Timeout: Patience, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	c, err := d.Dial("tcp", to)
	if err != nil {
		return nil, err
	}
	out := &client{Conn: c}
	out.r = bufio.NewReaderSize(io.TeeReader(c, (*collector)(&out.in)), 64<<10)
	return out, nil
}

// collector keeps what is written to it.
type collector []byte

func (c *collector) Write(p []byte) (int, error) {
	*c = append(*c, p...)
	return len(p), nil
}

// send writes without waiting for it: a load balancer that refuses need not
// read on. The returned channel is closed when it is over.
func (c *client) send(b []byte) <-chan struct{} {
	done := make(chan struct{})
	c.SetWriteDeadline(time.Now().Add(Patience))
	go c.write(b, done)
	return done
}

// maxDribble is how much is sent byte by byte: beyond, it would take too long.
const maxDribble = 4 << 10

func (c *client) write(b []byte, done chan<- struct{}) {
	defer close(done)
	if !c.dribble || len(b) > maxDribble {
		c.Write(b)
		return
	}
	for i := range b { // each a segment of its own: package net sets TCP_NODELAY
		if _, err := c.Write(b[i : i+1]); err != nil {
			return
		}
	}
}

// final reads a response that is not an interim one; nil when none came, and
// then closed, silent or fault says why.
func (c *client) final() *Response {
	for {
		r := c.response()
		if r == nil || r.Status >= 200 || r.Status == 101 {
			return r
		}
	}
}

func (c *client) response() *Response {
	c.SetReadDeadline(time.Now().Add(Patience))
	m, err := lbtest.ReadHead(c.r)
	if err != nil {
		switch {
		case timedOut(err):
			c.silent = true
		case len(m.Raw()) > 0:
			c.fault = fmt.Sprintf("what came is no response: %v: %.300q", err, m.Raw())
		default:
			c.closed = true
		}
		return nil
	}
	if !strings.HasPrefix(m.Start(), "HTTP/1.") || m.Status() < 100 {
		c.fault = fmt.Sprintf("what came is no response: %.300q", m.Raw())
		return nil
	}
	out := &Response{Status: m.Status(), Fields: m.Fields(), Echo: first(m.Get(echoField)), Stamp: first(m.Get(stampField))}
	if out.Status < 200 {
		out.Raw = m.Raw()
		return out
	}
	method := "GET"
	if len(c.methods) > 0 {
		method, c.methods = c.methods[0], c.methods[1:]
	}
	err = m.ReadBody(c.r, method)
	out.Body, out.Raw = m.Body(), m.Raw()
	switch {
	case timedOut(err):
		c.silent = true
	case err != nil && strings.Contains(err.Error(), lbtest.ErrMalformed.Error()):
		c.fault = fmt.Sprintf("the response's body: %v", err)
	case err != nil:
		out.Cut, c.closed = true, true
	}
	out.Last = m.UntilClose() || closes(m.Get("Connection")) ||
		strings.HasPrefix(m.Start(), "HTTP/1.0") && !has(m.Get("Connection"), "keep-alive")
	return out
}

// ended reads until the connection ends, and returns what came before.
func (c *client) ended() []byte {
	var out []byte
	b := make([]byte, 4<<10)
	for {
		c.SetReadDeadline(time.Now().Add(Patience))
		n, err := c.r.Read(b)
		out = append(out, b[:n]...)
		if err != nil {
			c.closed, c.silent = !timedOut(err), timedOut(err)
			return out
		}
	}
}

// own is one of the runner's own requests.
func own(path, name string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: gate\r\n%s: %s\r\n\r\n", path, ownField, name)
}

// ask sends one of the runner's own requests, and says what is wrong with the
// answer; closed tells that the connection had ended.
func (c *client) ask(path, name, stamp string) (problem string, closed bool) {
	sent := c.send(own(path, name))
	r := c.final()
	<-sent
	switch {
	case r == nil && c.closed:
		return "", true
	case r == nil && c.silent:
		return "no answer", false
	case r == nil:
		return c.fault, false
	}
	want := echo("GET " + path + " HTTP/1.1")
	if r.Status != 200 || r.Echo != want || r.Stamp != stamp || r.Cut {
		return fmt.Sprintf("it got %.400q", r.Raw), false
	}
	return "", false
}

func timedOut(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}

func closes(connection []string) bool { return has(connection, "close") }

func has(lists []string, option string) bool {
	for _, l := range lists {
		if slices.ContainsFunc(strings.Split(l, ","), func(o string) bool {
			return strings.EqualFold(strings.TrimSpace(o), option)
		}) {
			return true
		}
	}
	return false
}

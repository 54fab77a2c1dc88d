package system

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// client is an HTTP/1.1 client that hides nothing: net/http's would repeat a
// request whose connection broke, and no test would see that it did.
type client struct {
	addr string
	conn net.Conn // nil: the next request opens one
	r    *bufio.Reader
}

// reply is a response that was read to its end.
type reply struct {
	status  int
	header  http.Header
	trailer http.Header
	body    []byte
	ends    bool // it is the last of its connection
}

// send sends bytes as they are, on a new connection if there is none.
func (c *client) send(raw []byte) error {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.addr, patience)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		c.attach(conn)
	}
	c.conn.SetDeadline(time.Now().Add(patience))
	if _, err := c.conn.Write(raw); err != nil {
		c.close()
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// do sends a request and reads the response. Without keep the connection is
// closed afterwards; otherwise only when the response says so.
func (c *client) do(method string, raw []byte, keep bool) (reply, error) {
	if err := c.send(raw); err != nil {
		return reply{}, err
	}
	r, err := readReply(c.r, method)
	if err != nil || !keep || r.ends {
		c.close()
	}
	return r, err
}

// readReply reads the final response to a request.
func readReply(br *bufio.Reader, method string) (r reply, err error) {
	for {
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			return r, fmt.Errorf("response head: %w", err)
		}
		if resp.StatusCode < 200 {
			continue
		}
		r = reply{status: resp.StatusCode, header: resp.Header, ends: resp.Close}
		if r.body, err = io.ReadAll(resp.Body); err != nil {
			return r, fmt.Errorf("response body after %d bytes: %w", len(r.body), err)
		}
		r.trailer = resp.Trailer
		return r, nil
	}
}

// attach makes the client use conn.
func (c *client) attach(conn net.Conn) {
	c.conn = conn
	if c.r == nil {
		c.r = bufio.NewReader(nil)
	}
	c.r.Reset(conn)
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// get returns the bytes of a GET request.
func get(path string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", path)
}

// post returns the bytes of a POST request.
func post(path string, body []byte) []byte {
	b := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n", path, len(body))
	return append(b, body...)
}

// call is one request of a load, with what its answer must be.
type call struct {
	method string
	raw    []byte
	check  func(reply) error // nil: any 200
	broken bool              // the response may also end before its end
	leaves bool              // the client closes its connection without reading
}

// load says how requests are made.
type load struct {
	addr    string
	clients int
	// requests is how many are made at least; they go on until stop, if wait
	// has not been called, but are never more than ten times as many.
	requests int
	fresh    bool // a new connection for each request
	call     func(client, n int) call
	pause    func(client, n int) time.Duration // between requests; nil for none
}

// running is a load under way.
type running struct {
	load
	issued  atomic.Int64
	done    atomic.Int64
	stopped atomic.Bool
	clients sync.WaitGroup

	mu     sync.Mutex // guards the fields below
	served map[string]int
	failed int
	errs   []error // the first of them
}

// start begins the load; it goes on until stop.
func (l load) start(t testing.TB) *running {
	r := &running{load: l, served: map[string]int{}}
	for i := range l.clients {
		r.clients.Go(func() { r.client(i) })
	}
	t.Cleanup(func() { r.stop() })
	return r
}

// run makes exactly the requests asked for.
func (l load) run(t testing.TB) *running {
	t.Helper()
	r := &running{load: l, served: map[string]int{}}
	r.stopped.Store(true)
	for i := range l.clients {
		r.clients.Go(func() { r.client(i) })
	}
	r.clients.Wait()
	return r
}

// client is one client: it makes requests while some are left.
func (r *running) client(id int) {
	c := client{addr: r.addr}
	defer c.close()
	served := map[string]int{}
	for n := 0; ; n++ {
		i := r.issued.Add(1)
		if i > int64(r.requests) && r.stopped.Load() || i > 10*int64(r.requests) {
			break
		}
		if r.pause != nil && c.conn != nil {
			time.Sleep(r.pause(id, n)) // how a client behaves, not a way to wait for something
		}
		q := r.call(id, n)
		if q.leaves {
			if err := c.send(q.raw); err != nil {
				r.fail(fmt.Errorf("client %d, request %d: %w", id, n, err))
			}
			c.close()
			r.done.Add(1)
			continue
		}
		a, err := c.do(q.method, q.raw, !r.fresh)
		switch {
		case err != nil && q.broken:
			err = nil
		case err != nil:
		case q.check != nil:
			err = q.check(a)
		case a.status != http.StatusOK:
			err = fmt.Errorf("status %d: %.100s", a.status, a.body)
		}
		if err != nil {
			r.fail(fmt.Errorf("client %d, request %d: %w", id, n, err))
		}
		served[a.header.Get("X-Target")]++
		r.done.Add(1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, n := range served {
		r.served[id] += n
	}
}

func (r *running) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed++
	if len(r.errs) < 10 {
		r.errs = append(r.errs, err)
	}
}

// reach waits until n requests were made.
func (r *running) reach(t testing.TB, n int) {
	t.Helper()
	eventually(t, strconv.Itoa(n)+" requests of the load", func() bool { return r.done.Load() >= int64(n) })
}

// more waits until n further requests were made.
func (r *running) more(t testing.TB, n int) {
	t.Helper()
	r.reach(t, int(r.done.Load())+n)
}

// stop lets the load end: not before it made its requests.
func (r *running) stop() {
	r.stopped.Store(true)
	r.clients.Wait()
}

// underWay fails the test unless the load is still being made: what was done
// just now was done under load.
func (r *running) underWay(t testing.TB) {
	t.Helper()
	if r.done.Load() >= 10*int64(r.requests) {
		t.Fatalf("the load ended at its bound of %d requests: nothing was tested under it", 10*r.requests)
	}
}

// clean fails the test if any request failed.
func (r *running) clean(t testing.TB) {
	t.Helper()
	if r.failed > 0 {
		t.Errorf("%d of %d requests failed, want none; the first: %v", r.failed, r.done.Load(), errors.Join(r.errs...))
	}
}

// token is the call of a load whose every answer can be told from all others: it
// posts a token to /echo, of 40 bytes to 10 KiB.
func token(client, n int) call {
	body := fmt.Appendf(nil, "token of client %d, request %d;", client, n)
	body = bytes.Repeat(body, 1+n%7*40)
	return call{method: http.MethodPost, raw: post("/echo", body), check: func(a reply) error {
		if a.status != http.StatusOK {
			return fmt.Errorf("status %d: %.100s", a.status, a.body)
		}
		if !bytes.Equal(a.body, body) {
			return fmt.Errorf("%.60q instead of %.60q", a.body, body)
		}
		return nil
	}}
}

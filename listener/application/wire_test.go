package application_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait of these tests; what is waited for comes at once.
const patience = 10 * time.Second

// scripted is a target whose connections are served by a function, which gets
// the number of the connection, from 0 on.
type scripted struct {
	net.Listener
	served sync.WaitGroup
}

func scriptedTarget(t testing.TB, serve func(i int, c *net.TCPConn, r *bufio.Reader)) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{Listener: l}
	s.served.Go(func() {
		for i := 0; ; i++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.served.Go(func() {
				defer c.Close()
				serve(i, c.(*net.TCPConn), bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.served.Wait()
	})
	return s
}

// readRequest reads one request with its body.
func readRequest(r *bufio.Reader) (*http.Request, []byte, error) {
	q, err := http.ReadRequest(r)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(q.Body)
	return q, body, err
}

// wire is a client that writes and reads bytes.
type wire struct {
	t testing.TB
	*net.TCPConn
	r *bufio.Reader
}

func (r *rig) dial() *wire {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &wire{r.t, c.(*net.TCPConn), bufio.NewReader(c)}
}

func (w *wire) send(s string) {
	w.t.Helper()
	if _, err := io.WriteString(w.TCPConn, s); err != nil {
		w.t.Fatal(err)
	}
}

// response reads the final response to a request with that method.
func (w *wire) response(method string) (*http.Response, string) {
	w.t.Helper()
	res := w.head(method)
	for res.StatusCode < 200 {
		res = w.head(method)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatalf("read response body: %v after %q", err, body)
	}
	return res, string(body)
}

// head reads the head of a response, which may be an interim one.
func (w *wire) head(method string) *http.Response {
	w.t.Helper()
	res, err := http.ReadResponse(w.r, &http.Request{Method: method})
	if err != nil {
		w.t.Fatalf("read response: %v", err)
	}
	return res
}

// closed expects that nothing comes any more.
func (w *wire) closed() {
	w.t.Helper()
	if rest, err := io.ReadAll(w.r); err != nil || len(rest) > 0 {
		w.t.Errorf("want the end of the connection, got %q, %v", rest, err)
	}
}

// logLines flushes the access log and returns its lines.
func (r *rig) logLines() []string {
	r.t.Helper()
	if err := r.access.Flush(); err != nil {
		r.t.Fatal(err)
	}
	b, err := os.ReadFile(r.log)
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.Split(string(bytes.TrimSuffix(b, []byte("\n"))), "\n")
}

// waitLog waits for n lines of the access log: a line is written after the
// response was sent.
func (r *rig) waitLog(n int) []string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		lines := r.logLines()
		if len(lines) >= n && lines[0] != "" {
			return lines
		}
		r.pause(ctx, "the access log has %d lines, want %d", len(lines), n)
	}
}

// until waits for cond.
func (r *rig) until(what string, cond func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !cond() {
		r.pause(ctx, "%s did not happen", what)
	}
}

// pause lets others run; it fails the test once ctx is done.
func (r *rig) pause(ctx context.Context, format string, args ...any) {
	r.t.Helper()
	select {
	case <-ctx.Done():
		r.t.Fatalf(format, args...)
	case <-time.After(time.Millisecond):
	}
}

// outstanding is the sum of the requests counted against targets.
func (r *rig) outstanding() (n int64) {
	for t := range r.live.Load().Targets() {
		n += t.State.Outstanding.Load()
	}
	return n
}

// checkIdle expects that nothing is under way: no count and no connection leaks.
func (r *rig) checkIdle() {
	r.t.Helper()
	idle := func() (n int) {
		for t := range r.live.Load().Targets() {
			n += t.State.Conns.Idle()
		}
		return n
	}
	r.until("the end of all work", func() bool { return r.engine.Busy() == 0 && r.outstanding() == 0 })
	r.until("the end of all connections", func() bool { return r.engine.Conns() == idle() })
}

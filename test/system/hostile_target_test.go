package system

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// hostile is a target that answers whatever a test wants, byte by byte. It lives
// in this process: nobody kills it.
type hostile struct {
	net.Listener
	// answer is called for every request, with its body read, and writes to the
	// connection. It returns whether the connection goes on.
	answer func(c *hostileConn, r *http.Request) bool

	serving sync.WaitGroup
	mu      sync.Mutex // guards conns
	conns   map[net.Conn]bool
}

// hostileConn is a connection to a hostile target.
type hostileConn struct {
	*net.TCPConn
	requests int // on this connection, the current one included
}

// reset closes the connection with RST.
func (c *hostileConn) reset() {
	c.SetLinger(0)
	c.Close()
}

func startHostile(t testing.TB, answer func(c *hostileConn, r *http.Request) bool) *hostile {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{Listener: l, answer: answer, conns: map[net.Conn]bool{}}
	h.serving.Go(h.accept)
	t.Cleanup(func() {
		l.Close()
		h.mu.Lock()
		for c := range h.conns {
			c.Close()
		}
		h.mu.Unlock()
		h.serving.Wait()
	})
	return h
}

func (h *hostile) addr() string { return h.Addr().String() }

func (h *hostile) accept() {
	for {
		c, err := h.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		h.mu.Lock()
		h.conns[c] = true
		h.mu.Unlock()
		h.serving.Go(func() { h.serve(c.(*net.TCPConn)) })
	}
}

func (h *hostile) serve(conn *net.TCPConn) {
	c := &hostileConn{TCPConn: conn}
	defer func() {
		c.Close()
		h.mu.Lock()
		delete(h.conns, conn)
		h.mu.Unlock()
	}()
	br := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		c.requests++
		if !h.answer(c, r) {
			return
		}
	}
}

package application_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestAnsweredBeforeBody has a target answer in full when it has the request's
// head, and only then read the body.
func TestAnsweredBeforeBody(t *testing.T) {
	f := func(name string, size int, chunked, wantClose bool) {
		t.Run(name, func(t *testing.T) {
			whole := make(chan string, 1)
			target := scriptedTarget(t, func(i int, c *net.TCPConn, r *bufio.Reader) {
				q, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				io.WriteString(c, okResponse)
				body, err := io.ReadAll(q.Body)
				whole <- fmt.Sprintf("%d %v", len(body), err)
				if _, err := http.ReadRequest(r); err == nil {
					io.WriteString(c, okResponse)
				}
			})
			r := newRig(t, oneGroup, target.Addr())
			c := r.dial()
			body := strings.Repeat("b", size)
			head, half := fmt.Sprintf("Content-Length: %d\r\n\r\n", size), size/2
			if chunked {
				head = fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", size)
				body += "\r\n0\r\n\r\n"
			}
			c.send("POST / HTTP/1.1\r\nHost: x\r\n" + head + body[:half])
			res, got := c.response("POST")
			if res.StatusCode != 200 || got != "ok" || res.Close != wantClose {
				t.Fatalf("%d %q, close %v", res.StatusCode, got, res.Close)
			}
			c.send(body[half:])
			if got := <-whole; got != fmt.Sprintf("%d <nil>", size) {
				t.Errorf("the target got %s, want all of %d", got, size)
			}
			if wantClose {
				c.closed()
			} else {
				c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				c.response("GET")
			}
			c.Close()
			r.checkIdle()
		})
	}
	f("little is missing", 10_000, false, false)
	f("much is missing", 1_000_000, false, true)
	f("chunked", 10_000, true, true)
}

// TestAnsweredAndClosed has a target answer without reading the body, and close:
// the client gets the answer.
func TestAnsweredAndClosed(t *testing.T) {
	target := scriptedTarget(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err == nil {
			io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno\n")
		}
	})
	r := newRig(t, oneGroup, target.Addr())
	c := r.dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nbegin")
	if res, body := c.response("POST"); res.StatusCode != 413 || body != "no\n" || !res.Close {
		t.Errorf("%d %q, close %v", res.StatusCode, body, res.Close)
	}
	c.CloseWrite()
	c.closed()
	r.checkIdle()
}

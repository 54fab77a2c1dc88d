package application_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

const okResponse = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// TestRetry says what is sent again when a target closes without an answer.
func TestRetry(t *testing.T) {
	f := func(name, request string, reused bool, wantRequests int32, wantStatus int) {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int32
			target := scriptedTarget(t, func(i int, c *net.TCPConn, r *bufio.Reader) {
				if i == 0 && reused {
					if _, _, err := readRequest(r); err != nil {
						return
					}
					io.WriteString(c, okResponse)
				}
				for {
					_, body, err := readRequest(r)
					if err != nil {
						return
					}
					requests.Add(1)
					if i == 0 {
						return // no answer
					}
					if len(body) > 0 && strings.Trim(string(body), "x") != "" {
						t.Errorf("body %.40q", body)
					}
					fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body))
					c.Write(body)
				}
			})
			r := newRig(t, oneGroup, target.Addr())
			c := r.dial()
			if reused {
				c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				c.response("GET")
			}
			c.send(request)
			if res, _ := c.response("GET"); res.StatusCode != wantStatus {
				t.Errorf("status %d, want %d", res.StatusCode, wantStatus)
			}
			c.Close()
			r.checkIdle()
			if n := requests.Load(); n != wantRequests {
				t.Errorf("the target got %d requests, want %d", n, wantRequests)
			}
		})
	}
	big := strings.Repeat("x", 100_000)
	f("get", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", true, 2, 200)
	f("put", "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxxx", true, 2, 200)
	f("put-chunked", "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n0\r\n\r\n", true, 2, 200)
	for _, reused := range []bool{false, true} {
		f(fmt.Sprint("post/", reused), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxxx", reused, 1, 502)
		f(fmt.Sprint("unknown/", reused), "PURGE / HTTP/1.1\r\nHost: x\r\n\r\n", reused, 1, 502)
		// Relayed as it arrived, so it is not there to be sent again.
		f(fmt.Sprint("put-big/", reused), "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"+big, reused, 1, 502)
		f(fmt.Sprint("put-big-chunked/", reused), "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n"+big+"\r\n0\r\n\r\n", reused, 1, 502)
	}
}

// TestNoRetryAfterInterim: the target has said that it is at work.
func TestNoRetryAfterInterim(t *testing.T) {
	var requests atomic.Int32
	target := scriptedTarget(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		for {
			if _, _, err := readRequest(r); err != nil {
				return
			}
			if requests.Add(1) > 1 {
				io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\n")
				return
			}
			io.WriteString(c, okResponse)
		}
	})
	r := newRig(t, oneGroup, target.Addr())
	for _, version := range []string{"1.1", "1.0"} { // which is not told
		requests.Store(0)
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		c.response("GET")
		c.send("GET / HTTP/" + version + "\r\nHost: x\r\n\r\n")
		if res, _ := c.response("GET"); res.StatusCode != 502 {
			t.Errorf("status %d", res.StatusCode)
		}
		if n := requests.Load(); n != 2 {
			t.Errorf("%d requests, want 2", n)
		}
		c.Close()
		r.checkIdle()
	}
}

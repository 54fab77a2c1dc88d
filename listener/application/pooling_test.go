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

// TestTargetConnectionNotReused has a target send something after which nothing
// is known of its connection: the next request must go on another one.
func TestTargetConnectionNotReused(t *testing.T) {
	big := strings.Repeat("b", 200<<10)
	const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
	f := func(name, method, body, answer string, wantStatus int) {
		t.Run(name, func(t *testing.T) {
			var conns atomic.Int32
			target := scriptedTarget(t, func(i int, c *net.TCPConn, r *bufio.Reader) {
				conns.Add(1)
				for {
					if _, _, err := readRequest(r); err != nil {
						return
					}
					if i > 0 {
						io.WriteString(c, okResponse)
						continue
					}
					io.WriteString(c, answer)
				}
			})
			r := newRig(t, oneGroup, target.Addr())
			c := r.dial()
			c.send(fmt.Sprintf("%s / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, len(body), body))
			res, _ := c.response(method)
			if res.StatusCode != wantStatus {
				t.Errorf("status %d, want %d", res.StatusCode, wantStatus)
			}
			if res.Close {
				c = r.dial()
			}
			c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if res, body := c.response("GET"); res.StatusCode != 200 || body != "ok" {
				t.Errorf("next response %d %.20q", res.StatusCode, body)
			}
			if n := conns.Load(); n != 2 {
				t.Errorf("%d connections, want 2", n)
			}
			c.Close()
			r.checkIdle()
		})
	}
	length := func(n int) string { return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", n) }
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

	f("extra with the head", "GET", "", length(2)+"ok"+poison, 200)
	f("extra after a long body", "GET", "", length(100<<10)+big[:100<<10]+poison, 200)
	f("extra after a spliced body", "GET", "", length(len(big))+big+poison, 200)
	f("extra after chunks", "GET", "", chunked+fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(big), big)+poison, 200)
	f("extra after a long body while the request's is relayed", "POST", big, length(100<<10)+big[:100<<10]+poison, 200)
	f("extra after chunks while the request's body is relayed", "POST", big, chunked+"2\r\nok\r\n0\r\n\r\n"+poison, 200)
	f("body of HEAD", "HEAD", "", length(6)+"poison", 200)
	f("body of 204", "GET", "", "HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison", 204)
	f("body of 304", "GET", "", "HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\npoison", 304)
	f("close", "GET", "", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 200)
	f("HTTP/1.0", "GET", "", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200)
	f("both lengths", "GET", "", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", 502)
	f("two lengths", "GET", "", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 502)
	f("negative length", "GET", "", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok", 502)
	f("bare LF", "GET", "", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 502)
	f("not HTTP", "GET", "", "SSH-2.0-OpenSSH_9.2\r\n\r\n", 502)
	f("switching protocols unasked", "GET", "", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 502)
	f("flood of 1xx", "GET", "", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 17)+length(2)+"ok", 502)
	f("bad chunk", "GET", "", chunked+"zz\r\n", 502)
}

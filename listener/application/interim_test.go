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

// TestExpectContinue has a client hold its body back until it is asked for it.
func TestExpectContinue(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
	const goOn = "HTTP/1.1 100 Continue\r\n\r\n"

	// serve gets a request's head read, and the rest to read.
	f := func(name string, serve func(c io.Writer, r *bufio.Reader), talk func(r *rig, c *wire)) {
		t.Run(name, func(t *testing.T) {
			target := scriptedTarget(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
				q, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				if q.Header.Get("Expect") != "100-continue" {
					t.Errorf("Expect: %q", q.Header.Get("Expect"))
				}
				serve(c, r)
				io.Copy(io.Discard, r)
			})
			r := newRig(t, oneGroup, target.Addr())
			c := r.dial()
			c.send(head)
			talk(r, c)
			c.Close()
			r.checkIdle()
		})
	}
	readBody := func(r io.Reader) bool {
		var body [4]byte
		_, err := io.ReadFull(r, body[:])
		return err == nil && string(body[:]) == "body"
	}
	status := func(c *wire, want int) *http.Response {
		c.t.Helper()
		res := c.head("POST")
		if res.StatusCode != want {
			c.t.Fatalf("status %d, want %d", res.StatusCode, want)
		}
		io.Copy(io.Discard, res.Body)
		return res
	}

	f("continue", func(c io.Writer, r *bufio.Reader) {
		io.WriteString(c, goOn)
		if readBody(r) {
			io.WriteString(c, okResponse)
		}
	}, func(r *rig, c *wire) {
		status(c, 100)
		c.send("body")
		status(c, 200)
	})
	f("refused", func(c io.Writer, r *bufio.Reader) {
		io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
	}, func(r *rig, c *wire) {
		if res := status(c, 413); !res.Close {
			t.Error("no Connection: close, though the body may or may not come")
		}
		c.CloseWrite()
		c.closed()
	})
	f("the client does not wait", func(c io.Writer, r *bufio.Reader) {
		if readBody(r) {
			io.WriteString(c, okResponse)
		}
	}, func(r *rig, c *wire) {
		c.send("body")
		status(c, 200)
	})
	f("continue, then closed", func(c io.Writer, r *bufio.Reader) {
		io.WriteString(c, goOn)
		readBody(r)
		c.(*net.TCPConn).Close()
	}, func(r *rig, c *wire) {
		status(c, 100)
		c.send("body")
		status(c, 502)
		if line := r.waitLog(1)[0]; !strings.Contains(line, "TargetClosedConnection") {
			t.Error(line)
		}
	})
	f("continue, then garbage", func(c io.Writer, r *bufio.Reader) {
		io.WriteString(c, goOn)
		readBody(r)
		io.WriteString(c, "garbage\r\n\r\n......")
	}, func(r *rig, c *wire) {
		status(c, 100)
		c.send("body")
		status(c, 502)
	})
	f("many", func(c io.Writer, r *bufio.Reader) {
		io.WriteString(c, goOn+"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
		if readBody(r) {
			io.WriteString(c, "HTTP/1.1 102 Processing\r\n\r\n"+okResponse)
		}
	}, func(r *rig, c *wire) {
		status(c, 100)
		if res := status(c, 103); res.Header.Get("Link") != "</a>" {
			t.Error("no Link in the 103")
		}
		c.send("body")
		status(c, 102)
		status(c, 200)
		// The times of the log: sent to the target, answered, done.
		for i, f := range strings.Fields(r.waitLog(1)[0])[5:8] {
			if strings.HasPrefix(f, "-") {
				t.Errorf("time %d is %s", i, f)
			}
		}
	})
}

// TestInterimHTTP10 keeps interim responses from a client that does not know
// them.
func TestInterimHTTP10(t *testing.T) {
	target := scriptedTarget(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		if _, _, err := readRequest(r); err == nil {
			fmt.Fprint(c, "HTTP/1.1 103 Early Hints\r\n\r\n", okResponse)
		}
	})
	r := newRig(t, oneGroup, target.Addr())
	c := r.dial()
	c.send("GET / HTTP/1.0\r\n\r\n")
	if res := c.head("GET"); res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
}

package application_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestEndlessUpload has a client send a body without end, and a target take it as
// fast as it comes: others in their loop are served all the time.
func TestEndlessUpload(t *testing.T) {
	var taken atomic.Int64
	target := scriptedTarget(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		c.SetReadBuffer(4 << 20)
		for {
			q, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			b := make([]byte, 1<<20)
			for err == nil {
				var n int
				n, err = q.Body.Read(b)
				taken.Add(int64(n))
			}
			if err != io.EOF {
				return
			}
			io.WriteString(c, okResponse)
		}
	})
	r := newRig(t, oneGroup, target.Addr())
	up := r.dial()
	up.SetWriteBuffer(4 << 20)
	up.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 1<<40))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		b := []byte(strings.Repeat("b", 4<<20))
		for {
			if _, err := up.Write(b); err != nil {
				return // closed, see below
			}
		}
	}()
	r.until("the upload is under way", func() bool { return taken.Load() > 0 })
	for range 20 {
		before := taken.Load()
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if res, body := c.response("GET"); res.StatusCode != 200 || body != "ok" {
			t.Errorf("beside the upload: %d %q", res.StatusCode, body)
		}
		c.Close()
		r.until("the upload goes on", func() bool { return taken.Load() > before })
	}
	up.SetLinger(0)
	up.Close()
	<-sent
	r.checkIdle()
}

package application_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
)

// TestBodyCut has a target end its response early: the client must see that.
func TestBodyCut(t *testing.T) {
	f := func(name, version, answer string, reset bool, whole bool, wantErr error) {
		t.Run(name, func(t *testing.T) {
			arrived := make(chan struct{})
			target := scriptedTarget(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
				if _, _, err := readRequest(r); err != nil {
					return
				}
				io.WriteString(c, answer)
				if reset {
					<-arrived // a reset takes along what did not
					c.SetLinger(0)
				}
			})
			r := newRig(t, oneGroup, target.Addr())
			c := r.dial()
			c.send("GET / HTTP/" + version + "\r\nHost: x\r\n\r\n")
			res := c.head("GET")
			close(arrived)
			body, err := io.ReadAll(res.Body)
			if !errors.Is(err, wantErr) {
				t.Errorf("read %q, %v; want %v", body, err, wantErr)
			}
			reason := "TargetResponseCut"
			if whole {
				reason = "-"
				if string(body) != "half" {
					t.Errorf("body %q", body)
				}
			}
			if line := r.waitLog(1)[0]; !strings.Contains(line, `"`+reason+`"`) {
				t.Errorf("want reason %s: %s", reason, line)
			}
			c.Close()
			r.checkIdle()
		})
	}
	const (
		length  = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
		chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
		end     = "HTTP/1.1 200 OK\r\n\r\nhalf"
	)
	f("length", "1.1", length, false, false, io.ErrUnexpectedEOF)
	f("length to HTTP/1.0", "1.0", length, false, false, io.ErrUnexpectedEOF)
	f("chunks", "1.1", chunked, false, false, io.ErrUnexpectedEOF)
	f("chunks to HTTP/1.0", "1.0", chunked, false, false, syscall.ECONNRESET)
	f("close", "1.1", end, false, true, nil)
	f("close to HTTP/1.0", "1.0", end, false, true, nil)
	f("reset", "1.1", end, true, false, io.ErrUnexpectedEOF)
	f("reset to HTTP/1.0", "1.0", end, true, false, syscall.ECONNRESET)
}

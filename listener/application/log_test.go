package application_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
)

// TestLogRequestLine says what the log shows of a request.
func TestLogRequestLine(t *testing.T) {
	target := cheapTarget(t, okResponse)
	f := func(request, want string) {
		t.Run(want, func(t *testing.T) {
			r := newRig(t, oneGroup, target)
			c := r.dial()
			c.send(request)
			c.response(strings.Fields(request)[0])
			line := r.waitLog(1)[0]
			_, port, _ := net.SplitHostPort(r.addr)
			if want := strings.ReplaceAll(want, "PORT", port); !strings.Contains(line, `"`+want+`"`) {
				t.Errorf("want %s in %s", want, line)
			}
		})
	}
	f("GET /a?b=c HTTP/1.1\r\nHost: h:1\r\n\r\n", "GET http://h:PORT/a?b=c HTTP/1.1")
	f("GET http://h/a?b=c HTTP/1.1\r\nHost: other\r\n\r\n", "GET http://h:PORT/a?b=c HTTP/1.1")
	f("GET http://h?b=c HTTP/1.1\r\nHost: other\r\n\r\n", "GET http://h:PORT/?b=c HTTP/1.1")
	f("GET http://h HTTP/1.1\r\nHost: other\r\n\r\n", "GET http://h:PORT/ HTTP/1.1")
	f("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS http://h:PORT* HTTP/1.1")
	f("GET / HTTP/1.0\r\n\r\n", "GET http://-:PORT/ HTTP/1.0")
	f("GET /x HTTP/1.1\r\n\r\n", "GET http://-:PORT/x HTTP/1.1")             // refused: no Host
	f("GET /x HTTP/3.0\r\nHost: h\r\n\r\n", "GET http://-:PORT/x -")         // refused before Host was known
	f("GET /x HTTP/1.1\r\nHost : h\r\n\r\n", "GET http://-:PORT/x HTTP/1.1") // and after the version was
	f("GET /x\x01 HTTP/1.1\r\n\r\n", "GET http://-:PORT- -")
	f("\x00\r\n\r\n", "- http://-:PORT- -")
}

// TestLogOfConnection says what the log shows of a connection: a trace id of its
// own, and our address, also where the listener takes all of them.
func TestLogOfConnection(t *testing.T) {
	const tid, node = 29, 33 // fields, from 0
	target := cheapTarget(t, okResponse)
	f := func(name, conf string) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, conf, target)
			for i := range 2 {
				c := r.dial()
				for range 2 {
					c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
					c.response("GET")
				}
				c.Close()
				r.waitLog(2 * (i + 1))
			}
			var ids []string
			for _, line := range r.waitLog(4) {
				fields := regexp.MustCompile(`"[^"]*"|[^ ]+`).FindAllString(line, -1)
				if fields[node] != "127.0.0.1" {
					t.Errorf("ip_address %s in %s", fields[node], line)
				}
				if !regexp.MustCompile(`^TID_[0-9a-f]{32}$`).MatchString(fields[tid]) {
					t.Errorf("conn_trace_id %s in %s", fields[tid], line)
				}
				ids = append(ids, fields[tid])
			}
			if ids[0] != ids[1] || ids[2] != ids[3] || ids[1] == ids[2] {
				t.Errorf("two requests each of two connections: %v", ids)
			}
		})
	}
	f("address", oneGroup)
	f("all addresses", strings.Replace(oneGroup, "address: 127.0.0.1", `address: "0.0.0.0"`, 1))
	f("all addresses, IPv6 too", strings.Replace(oneGroup, "        address: 127.0.0.1\n", "", 1))
}

// TestLogOfRefusedHead sends a request that is refused after one that is not:
// the log must show nothing of the first for the second.
func TestLogOfRefusedHead(t *testing.T) {
	target := cheapTarget(t, okResponse)
	first := "GET /secret HTTP/1.1\r\nHost: first\r\nUser-Agent: first\r\nX-Amzn-Trace-Id: Root=first\r\n\r\n"
	long := strings.Repeat("x", 20<<10)
	f := func(name, second, want string) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, oneGroup, target)
			c := r.dial()
			c.send(first + second)
			c.response("GET")
			c.CloseWrite()
			if res, _ := c.response("GET"); !res.Close {
				t.Error("the connection is kept")
			}
			c.closed()
			line := r.waitLog(2)[1]
			if strings.Contains(line, "first") || strings.Contains(line, "secret") || !strings.Contains(line, want) {
				t.Errorf("want only %q: %.300s", want, line)
			}
		})
	}
	f("method", "\x00\r\n\r\n", "BadMethod")
	f("line", "GET /second\r\n\r\n", "BadVersion")
	f("field", "GET /second HTTP/1.1\r\nHost : h\r\n\r\n", "/second HTTP/1.1")
	f("uri too long", "GET /"+long+" HTTP/1.1\r\nHost: h\r\n\r\n", "UriTooLong")
	f("uri without an end", "GET /"+strings.Repeat(long, 4), "UriTooLong")
	f("field too long", "GET /second HTTP/1.1\r\nX: "+long+"\r\n\r\n", "/second HTTP/1.1")
	f("field without an end", "GET /second HTTP/1.1\r\nX: "+strings.Repeat(long, 4), "/second HTTP/1.1")
	f("head without an end", "GET /second HTTP/1.1\r\n"+strings.Repeat("X: "+long[:10<<10]+"\r\n", 7), "HeadTooLarge")
	f("cut", "GET /second HT", "RequestBodyCut")
}

// TestClientGone has the client leave at different times.
func TestClientGone(t *testing.T) {
	const body = 8 << 20
	f := func(name, answer string, wantStatus string) {
		t.Run(name, func(t *testing.T) {
			came, left := make(chan struct{}), make(chan struct{})
			target := scriptedTarget(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
				if _, _, err := readRequest(r); err != nil {
					return
				}
				close(came)
				io.WriteString(c, answer)
				if <-left; answer != "" {
					c.Write(make([]byte, body)) // more than all buffers hold
				}
				io.Copy(io.Discard, r)
			})
			r := newRig(t, oneGroup, target.Addr())
			c := r.dial()
			c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			<-came
			if answer != "" {
				c.head("GET")
			}
			c.SetLinger(0)
			c.Close()
			close(left)
			line := r.waitLog(1)[0]
			if f := strings.Fields(line); f[8] != wantStatus || !strings.Contains(line, `"ClientClosed"`) {
				t.Errorf("want %s and ClientClosed: %s", wantStatus, line)
			}
			r.checkIdle()
		})
	}
	f("before the answer", "", "460")
	f("in the answer", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", body), "200")
	f("in chunks", fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", body), "200")
}

// TestClientGoneInSilence has the client leave while the target has sent a part
// of its response and says nothing more.
func TestClientGoneInSilence(t *testing.T) {
	f := func(name, part string) {
		t.Run(name, func(t *testing.T) {
			target := scriptedTarget(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
				if _, _, err := readRequest(r); err == nil {
					io.WriteString(c, part)
					io.Copy(io.Discard, r) // until the load balancer gives up
				}
			})
			r := newRig(t, oneGroup, target.Addr())
			c := r.dial()
			c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			c.head("GET")
			c.Close()
			if line := r.waitLog(1)[0]; !strings.Contains(line, " 200 200 ") || !strings.Contains(line, `"ClientClosed"`) {
				t.Error(line)
			}
			r.checkIdle()
		})
	}
	f("length", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
	f("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	f("close", "HTTP/1.1 200 OK\r\n\r\nabc")
}

// TestClientGoneAfterUpload has the client leave while the target thinks about
// a body that was relayed to it.
func TestClientGoneAfterUpload(t *testing.T) {
	const size = 200 << 10
	body := strings.Repeat("b", size)
	f := func(name, request string, reset bool) {
		t.Run(name, func(t *testing.T) {
			came := make(chan struct{})
			target := scriptedTarget(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
				if _, body, err := readRequest(r); err != nil || len(body) != size {
					t.Errorf("%d bytes, %v", len(body), err)
				}
				close(came)
				io.Copy(io.Discard, r) // until the load balancer gives up
			})
			r := newRig(t, oneGroup, target.Addr())
			c := r.dial()
			c.send(request)
			<-came
			if reset {
				c.SetLinger(0)
			}
			c.Close()
			if line := r.waitLog(1)[0]; !strings.Contains(line, " 460 - ") || !strings.Contains(line, `"ClientClosed"`) {
				t.Error(line)
			}
			r.checkIdle()
		})
	}
	length := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, body)
	chunked := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", size, body)
	for _, reset := range []bool{false, true} {
		f(fmt.Sprint("length/", reset), length, reset)
		f(fmt.Sprint("chunked/", reset), chunked, reset)
	}
}

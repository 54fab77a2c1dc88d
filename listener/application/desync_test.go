package application_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

// inMode is oneGroup with a mode of desync mitigation.
func inMode(mode string) string {
	return strings.Replace(oneGroup, "    type: application\n",
		"    type: application\n    attributes: {routing.http.desync_mitigation_mode: "+mode+"}\n", 1)
}

var monitored = inMode("monitor")

// TestDesync sends a request of each class in each mode, and one more behind it,
// which only an open connection serves.
func TestDesync(t *testing.T) {
	const compliant = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
	f := func(name, request, class string, want ...string) {
		for i, mode := range []string{"monitor", "defensive", "strictest"} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				var requests atomic.Int32
				target := scriptedTarget(t, func(n int, c *net.TCPConn, r *bufio.Reader) {
					for {
						if _, _, err := readRequest(r); err != nil {
							return
						}
						requests.Add(1)
						fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nConnection-Number: %d\r\nContent-Length: 0\r\n\r\n", n)
					}
				})
				r := newRig(t, inMode(mode), target.Addr())
				c := r.dial()
				c.send(request + compliant)
				res, _ := c.response("GET")
				line := r.waitLog(1)[0]
				if !strings.Contains(line, ` "`+class+`" `) {
					t.Errorf("want class %s: %s", class, line)
				}
				outcome, status, served := `"-"`, 200, int32(1)
				switch want[i] {
				case "allow":
					again, _ := c.response("GET")
					served++
					if res.Close || again.Header.Get("Connection-Number") != res.Header.Get("Connection-Number") {
						t.Errorf("close %v; %v, then %v", res.Close, res.Header, again.Header)
					}
				case "isolate":
					c.closed()
					r.checkIdle()
				case "block":
					outcome, status, served = `"DesyncBlocked"`, 400, 0
					c.closed()
				}
				if res.StatusCode != status || requests.Load() != served || !strings.Contains(line, outcome) {
					t.Errorf("status %d, the target saw %d requests: %s", res.StatusCode, requests.Load(), line)
				}
			})
		}
	}
	f("compliant", compliant, "-", "allow", "allow", "allow")
	f("acceptable", "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "Acceptable", "allow", "allow", "block")
	f("ambiguous", "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "Ambiguous", "allow", "isolate", "block")
	const severe = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent_Length: x\r\n\r\nhello"
	f("severe", severe, "Severe", "allow", "block", "block")
	f("severe behind an empty line", "\r\n"+severe, "Severe", "allow", "block", "block")
	// Bodies that are relayed while they arrive.
	large := strings.Repeat("x", 300<<10)
	f("ambiguous and large", fmt.Sprintf("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(large), large),
		"Ambiguous", "allow", "isolate", "block")
	f("ambiguous and in chunks", fmt.Sprintf("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(large), large),
		"Ambiguous", "allow", "isolate", "block")
}

// TestDesyncOfRefused: what the parser refuses is judged by what had come, and
// in pieces as well as whole.
func TestDesyncOfRefused(t *testing.T) {
	target := cheapTarget(t, okResponse)
	f := func(request, class, reason string) {
		t.Helper()
		for _, cut := range []int{0, len(request) / 2, len(request) - 1} {
			t.Run(fmt.Sprint(class, reason, cut), func(t *testing.T) {
				r := newRig(t, monitored, target)
				c := r.dial()
				c.send(request[:cut])
				c.send(request[cut:])
				if res, _ := c.response("POST"); res.StatusCode < 400 || !res.Close {
					t.Errorf("status %d, close %v", res.StatusCode, res.Close)
				}
				if line := r.waitLog(1)[0]; !strings.Contains(line, ` "`+class+`" "`+reason+`" `) {
					t.Errorf("want %s %s: %s", class, reason, line)
				}
			})
		}
	}
	f("POST / HTTP/1.1\r\nHost: h\r\nX: a\x00\r\n\r\n", "Severe", "BadHeader")
	f("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\n", "Severe", "BadContentLength")
	f("\r\nPOST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "Ambiguous", "BothTeClPresent")
	f("POST / HTTP/1.1\nHost: h\n\n", "Acceptable", "NonCrLfLineTermination")
	f("POST / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", "-", "-")
	f("POST / HTTP/1.1\r\nHost: h\r\nExpect: "+strings.Repeat("x", 17<<10)+"\r\n\r\n", "-", "-")
	// The head is good, and its body is not.
	f("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "Ambiguous", "UndefinedTransferEncodingSemantics")
}

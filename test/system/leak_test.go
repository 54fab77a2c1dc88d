package system

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

// leakKinds are the ways in which the target of TestNothingLeaks answers. Each
// gets the body that is the client's, and says whether the client gets it.
var leakKinds = []struct {
	name string
	good bool
	send func(c *hostileConn, body string)

	large bool
}{
	{"length", true, func(c *hostileConn, body string) { io.WriteString(c, withLength(body)) }, false},
	{"chunks", true, func(c *hostileConn, body string) { io.WriteString(c, withChunks(body)) }, false},
	{"interim", true, func(c *hostileConn, body string) {
		io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nX-Evil: no\r\n\r\n"+withLength(body))
	}, false},
	// More than was asked for: with the head, with the end of the body, and
	// behind what is large enough to be spliced.
	{"length and more", true, func(c *hostileConn, body string) { io.WriteString(c, withLength(body)+evil) }, false},
	{"chunks and more", true, func(c *hostileConn, body string) { io.WriteString(c, withChunks(body)+evil) }, false},
	{"length, later more", true, func(c *hostileConn, body string) { inTwo(c, withLength(body)) }, false},
	{"chunks, later more", true, func(c *hostileConn, body string) { inTwo(c, withChunks(body)) }, false},
	{"large and more", true, func(c *hostileConn, body string) { inTwo(c, withLength(large(body))) }, true},
	{"large chunks and more", true, func(c *hostileConn, body string) { inTwo(c, withChunks(large(body))) }, true},
	{"cut in the head", false, func(c *hostileConn, body string) {
		io.WriteString(c, withLength(body)[:20])
		c.Close()
	}, false},
	{"cut in the body", false, func(c *hostileConn, body string) {
		r := withLength(body)
		io.WriteString(c, r[:len(r)-3])
		c.Close()
	}, false},
	{"not HTTP", false, func(c *hostileConn, body string) { io.WriteString(c, "HTTP/1.1 2000 OK\r\n\r\n"+evil) }, false},
}

// evil is a response that nobody asked for.
var evil = withLength(strings.Repeat("evil ", 10))

func withLength(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func withChunks(body string) string {
	half := len(body) / 2
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n",
		half, body[:half], len(body)-half, body[half:])
}

// large makes a body of some 200 KB.
func large(body string) string { return strings.Repeat(body, 200_000/len(body)) }

// inTwo sends a response, its last bytes apart and together with what nobody
// asked for.
func inTwo(c *hostileConn, r string) {
	io.WriteString(c, r[:len(r)-8])
	io.WriteString(c, r[len(r)-8:]+evil)
}

// Whatever targets do, no client sees a byte of what was meant for another, and
// a connection on which a target sent too much is not used again.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	var reused atomic.Int64
	spoilt := func(kind int) bool { return strings.Contains(leakKinds[kind].name, "more") || !leakKinds[kind].good }
	h := startHostile(t, func(c *hostileConn, r *http.Request) bool {
		var kind, client, n int
		fmt.Sscanf(r.URL.Path, "/%d/%d/%d", &kind, &client, &n)
		leakKinds[kind].send(c, leakBody(client, n))
		if spoilt(kind) {
			// Nothing may come on this connection any more.
			if m, _ := c.Read(make([]byte, 1)); m > 0 {
				reused.Add(1)
			}
			return false
		}
		return true
	})
	golang := startGo(t, targetOptions{id: "good", files: os.TempDir()})
	d := start(t, func(d *daemon) string {
		return strings.Replace(d.forward(group("main", unchecked, h.addr())+group("good", unchecked, golang.addr)),
			"target_group: main}]}", "target_group: main}], rules: [{priority: 1, conditions: [{field: path-pattern, values: [/echo]}], actions: [{type: forward, target_group: good}]}]}", 1)
	})
	// Clients that leave as soon as they have asked, with the answer on its way.
	hasty := load{addr: d.addr, clients: 2, requests: scaled(2_000), call: func(client, n int) call {
		kind := n % len(leakKinds)
		return call{raw: get(fmt.Sprintf("/%d/%d/%d", kind, client, n)), leaves: true}
	}}.start(t)
	l := load{addr: d.addr, clients: 24, requests: scaled(20_000), call: func(client, n int) call {
		// Half of them go to a target that behaves, most others to good answers.
		if n%2 == 0 {
			return token(client, n)
		}
		kind := (n*7 + client) % len(leakKinds)
		if leakKinds[kind].large && client%4 > 0 {
			kind -= 2 // fewer of these, for they are dear
		}
		method := [...]string{"GET", "POST"}[n/2%2]
		raw := get(fmt.Sprintf("/%d/%d/%d", kind, client, n))
		if method == "POST" {
			raw = post(fmt.Sprintf("/%d/%d/%d", kind, client, n), []byte("body"))
		}
		return call{method: method, raw: raw, broken: !leakKinds[kind].good, check: func(a reply) error {
			name := leakKinds[kind].name
			body, want := string(a.body), leakBody(client, n)
			switch {
			case leakKinds[kind].large:
				want = large(want)
			case !leakKinds[kind].good:
				if a.status != http.StatusBadGateway {
					return fmt.Errorf("%s: %d %.80q", name, a.status, body)
				}
				return nil
			}
			if a.status != 200 || body != want {
				return fmt.Errorf("%s: %d %.80q, want %.80q", name, a.status, body, want)
			}
			return nil
		}}
	}}.run(t)
	hasty.stop()
	l.clean(t)
	hasty.clean(t)
	if n := reused.Load(); n > 0 {
		t.Errorf("%d connections were used again after the target had sent more than was asked for", n)
	}
}

// leakBody is the body of a response: it names the request.
func leakBody(client, n int) string { return fmt.Sprintf("[client %d, request %d]", client, n) }

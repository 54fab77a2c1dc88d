package system

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

const whole = "HTTP/1.1 200 OK\r\nX-Target: hostile\r\nContent-Length: 5\r\n\r\nwhole"

// What is no HTTP response costs its request a 502, with a reason in the log,
// and nothing else: client and target go on.
func TestGarbage(t *testing.T) {
	t.Parallel()
	garbage := map[string]string{
		"nothing":               "",
		"text":                  "go away\r\n\r\n",
		"zeros":                 strings.Repeat("\x00", 1000),
		"a TLS alert":           "\x15\x03\x01\x00\x02\x02\x28",
		"no status":             "HTTP/1.1\r\n\r\n",
		"a status of letters":   "HTTP/1.1 abc OK\r\n\r\n",
		"a status of 2 digits":  "HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/2":                "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/0.9":              "<html>hello</html>",
		"a field without colon": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nnonsense\r\n\r\n",
		"a folded field":        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: a\r\n\tb\r\n\r\n",
		"two lengths":           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nwhole!",
		"a negative length":     "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"a length and chunks":   "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"an unknown coding":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"a head without end":    "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20),
		"unasked for 101":       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
		"a flood of 100":        strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 10_000) + whole,
	}
	h := startHostile(t, func(c *hostileConn, r *http.Request) bool {
		if r.URL.Path == "/whole" {
			io.WriteString(c, whole)
			return true
		}
		io.WriteString(c, garbage[r.Header.Get("X-Garbage")])
		c.CloseWrite()
		io.Copy(io.Discard, c) // until the other side has enough
		return false
	})
	d := start(t, func(d *daemon) string { return logged(d, group("main", unchecked, h.addr())) })
	for name := range garbage {
		for _, method := range []string{"GET", "POST"} {
			c := client{addr: d.addr}
			body := ""
			if method == "POST" {
				body = "x"
			}
			r, err := c.do(method, fmt.Appendf(nil, "%s / HTTP/1.1\r\nHost: test\r\nX-Garbage: %s\r\nContent-Length: %d\r\n\r\n%s",
				method, name, len(body), body), true)
			if err != nil || r.status != http.StatusBadGateway {
				t.Errorf("%s, %s: status %d, %v; want 502", name, method, r.status, err)
			}
			// On the same connection, if it is still there, or on a new one.
			if r, err := c.do("GET", get("/whole"), true); err != nil || string(r.body) != "whole" {
				t.Errorf("%s, %s: the next request: %d %q, %v", name, method, r.status, r.body, err)
			}
			c.close()
		}
	}
	d.finish(t)
	for _, line := range readLines(t, d.dir+"/access.log") {
		fields, err := splitFields(line)
		if err != nil {
			t.Fatal(err)
		}
		if code, reason := fields[8], fields[24]; (code == "502") != (reason != `"-"`) {
			t.Errorf("status %s with reason %s", code, reason)
		}
	}
}

// A target may close, or reset, after every single byte of its response. The
// client is told: by a 502 as long as it has seen nothing, else by a connection
// that ends before the body does. It never takes a part for the whole.
func TestCutAtEveryByte(t *testing.T) {
	t.Parallel()
	responses := map[string]string{
		"length": "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello, world",
		"chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhello\r\n7;ext=1\r\n, world\r\n0\r\nX-T: 1\r\n\r\n",
	}
	h := startHostile(t, func(c *hostileConn, r *http.Request) bool {
		if r.URL.Path == "/whole" {
			io.WriteString(c, whole)
			return true
		}
		var kind, how string
		var at int
		fmt.Sscanf(r.URL.Path, "/%6s/%5s/%d", &kind, &how, &at)
		io.WriteString(c, responses[kind][:at])
		if how == "reset" {
			c.reset()
		}
		return false
	})
	d := simple(t, unchecked, h.addr())
	warm := client{addr: d.addr}
	defer warm.close()
	for kind, response := range responses {
		headEnd := strings.Index(response, "\r\n\r\n") + 4
		for _, how := range []string{"close", "reset"} {
			for at := range len(response) + 1 {
				// So that the cut comes on a connection that was used before.
				if r, err := warm.do("GET", get("/whole"), true); err != nil || string(r.body) != "whole" {
					t.Fatalf("%s %s at %d: before: %d %q, %v", kind, how, at, r.status, r.body, err)
				}
				c := client{addr: d.addr}
				r, err := c.do("GET", get(fmt.Sprintf("/%s/%s/%d", kind, how, at)), false)
				switch {
				case how == "reset" && err == nil && r.status == http.StatusBadGateway:
					// A reset may overtake what was sent before it.
				case at < headEnd:
					if err != nil || r.status != http.StatusBadGateway {
						t.Errorf("%s %s at %d, in the head: %d %q, %v; want 502", kind, how, at, r.status, r.body, err)
					}
				case at < len(response):
					if err == nil {
						t.Errorf("%s %s at %d, in the body: taken for whole: %d %q", kind, how, at, r.status, r.body)
					}
				case how == "close":
					if err != nil || r.status != 200 || string(r.body) != "hello, world" {
						t.Errorf("%s %s at the end: %d %q, %v", kind, how, r.status, r.body, err)
					}
				}
			}
		}
	}
}

// Interim responses reach the client, before the final one and in order.
func TestInterimResponses(t *testing.T) {
	t.Parallel()
	hints := strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 3)
	h := startHostile(t, func(c *hostileConn, r *http.Request) bool {
		for _, b := range []byte(hints + whole) { // in as many pieces as there can be
			c.Write([]byte{b})
		}
		return true
	})
	d := simple(t, unchecked, h.addr())
	c := d.dial(t)
	br := bufio.NewReader(c)
	for range 3 {
		c.Write(get("/"))
		var codes []int
		for len(codes) == 0 || codes[len(codes)-1] < 200 {
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, resp.StatusCode)
			if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode == 200 && string(body) != "whole" {
				t.Errorf("%q, %v", body, err)
			}
		}
		if fmt.Sprint(codes) != "[103 103 103 200]" {
			t.Errorf("responses %v", codes)
		}
	}
}

// Clients that never finish what they began do not disturb those that do, and
// are told to go.
func TestSlowHeads(t *testing.T) {
	t.Parallel()
	g := startGo(t, targetOptions{id: "t"})
	d := simple(t, once, g.addr)
	const clients = 200
	began := make([]io.ReadWriter, clients)
	for i := range began {
		c := d.dial(t)
		c.SetDeadline(time.Now().Add(2 * patience))
		part := "GET /id HTTP/1.1\r\nHost: test\r\nX-Slow: "
		if _, err := io.WriteString(c, part[:1+i%len(part)]); err != nil {
			t.Fatal(err)
		}
		began[i] = c
	}
	load{addr: d.addr, clients: 4, requests: scaled(2_000), call: getID}.run(t).clean(t)
	load{addr: d.addr, clients: 4, requests: scaled(500), fresh: true, call: getID}.run(t).clean(t)

	for i, c := range began {
		r, err := readReply(bufio.NewReader(c), http.MethodGet)
		if err != nil || r.status != http.StatusRequestTimeout || !r.ends {
			t.Fatalf("client %d: %d, %v; want 408", i, r.status, err)
		}
	}
}

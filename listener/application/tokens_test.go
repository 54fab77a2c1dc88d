package application_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// poison is what a hostile target sends where nothing may follow: a response that
// whoever reads it takes for his.
const poison = "HTTP/1.1 200 OK\r\nX-Token: poison\r\nContent-Length: 6\r\n\r\npoison"

// civil is how many of manners, from the first on, are as they should be.
const civil = 7

// manners are the ways in which the target of TestTokens answers. Each writes one
// answer to a request with a token and its body, at once, because what comes
// after the next request has been sent cannot be told from its answer. It
// returns whether the connection goes on.
var manners = []struct {
	name, method string
	answer       func(token, body string) string
	end          bool
}{
	{"length", "GET", func(token, body string) string { return lengthAnswer(token, body) }, false},
	{"length", "POST", func(token, body string) string { return lengthAnswer(token, body) }, false},
	{"chunks", "GET", func(token, body string) string {
		half := len(body) / 2
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Token: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\nX-T: %[1]s\r\n\r\n",
			token, half, body[:half], len(body)-half, body[half:])
	}, false},
	{"until-close", "GET", func(token, body string) string {
		return "HTTP/1.1 200 OK\r\nX-Token: " + token + "\r\n\r\n" + body
	}, true},
	{"interim", "PUT", func(token, body string) string {
		return strings.Repeat("HTTP/1.1 103 Early Hints\r\nX-Token: "+token+"\r\n\r\n", 3) + lengthAnswer(token, body)
	}, false},
	{"head", "HEAD", func(token, body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Token: %s\r\nContent-Length: %d\r\n\r\n", token, len(body))
	}, false},
	{"not-modified", "GET", func(token, _ string) string { return "HTTP/1.1 304 Not Modified\r\nX-Token: " + token + "\r\n\r\n" }, false},

	// Too much.
	{"extra", "GET", func(token, body string) string { return lengthAnswer(token, body) + poison }, false},
	{"extra-chunks", "GET", func(token, body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Token: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", token, len(body), body) + poison
	}, false},
	{"extra-post", "POST", func(token, body string) string { return lengthAnswer(token, body) + poison }, false},
	{"head-body", "HEAD", func(token, body string) string { return lengthAnswer(token, poison) }, false},
	{"not-modified-body", "GET", func(token, _ string) string {
		return "HTTP/1.1 304 Not Modified\r\nX-Token: " + token + "\r\n\r\n" + poison
	}, false},
	{"no-content-body", "DELETE", func(token, _ string) string {
		return "HTTP/1.1 204 No Content\r\nX-Token: " + token + "\r\n\r\n" + poison
	}, false},
	{"extra-far", "GET", func(token, body string) string { return far(lengthAnswer(token, body)) }, false},
	{"extra-far-post", "POST", func(token, body string) string { return far(lengthAnswer(token, body)) }, false},
	{"not-modified-far", "GET", func(token, _ string) string {
		return far("HTTP/1.1 304 Not Modified\r\nX-Token: " + token + "\r\n\r\n")
	}, false},
	{"flood", "GET", func(token, body string) string {
		return strings.Repeat("HTTP/1.1 103 Early Hints\r\nX-Token: "+token+"\r\n\r\n", 40) + poison
	}, false},

	// Too little.
	{"cut", "GET", func(token, body string) string { a := lengthAnswer(token, body); return a[:len(a)-len(body)/2-1] }, true},
	{"cut-chunks", "GET", func(token, body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Token: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", token, len(body)+9, body)
	}, true},
	{"cut-head", "GET", func(token, _ string) string { return "HTTP/1.1 200 OK\r\nX-Token: " + token }, true},
	{"nothing", "POST", func(string, string) string { return "" }, true},

	// Neither.
	{"two-lengths", "GET", func(token, body string) string {
		return "HTTP/1.1 200 OK\r\nX-Token: " + token + "\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n" + poison
	}, false},
	{"both-lengths", "GET", func(token, body string) string {
		return "HTTP/1.1 200 OK\r\nX-Token: " + token + "\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + poison
	}, false},
	{"switch", "GET", func(token, _ string) string {
		return "HTTP/1.1 101 Switching Protocols\r\nX-Token: " + token + "\r\n\r\n" + poison
	}, false},
	{"split", "GET", func(token, _ string) string { return "HTTP/1.1 200 OK\r\nX: a\r\r\n\r\n" + poison }, false},
}

func lengthAnswer(token, body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Token: %s\r\nContent-Length: %d\r\n\r\n%s", token, len(body), body)
}

// far puts poison behind a and as much as is read at once, so that it is still in
// the socket when a was relayed.
func far(a string) string { return a + strings.Repeat("x", 64<<10-len(a)) + poison }

// tokenBody is a body all of which tells whose it is.
func tokenBody(token string, size int) string {
	return strings.Repeat(token+" ", size/(len(token)+1)+1)[:size]
}

// TestTokens sends requests of many clients, each with a token of its own, to a
// target that answers with too much, too little or nonsense: no client gets a byte
// with another's token, and the target gets none in a request that is not its.
func TestTokens(t *testing.T) {
	total := 100_000
	if raceEnabled || testing.Short() {
		total = 10_000
	}
	target := scriptedTarget(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		for {
			q, body, err := readRequest(r)
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !isReset(err) {
					t.Errorf("the target got no request: %v", err)
				}
				return
			}
			var token string
			var i, size int
			if n, _ := fmt.Sscanf(q.URL.Path, "/%d/%d/%s", &i, &size, &token); n != 3 || i >= len(manners) {
				t.Errorf("the target was asked for %s", q.URL)
				return
			}
			if got := q.Header.Get("X-Token"); got != token || string(body) != tokenBody(token, len(body)) {
				t.Errorf("%s: the target got the token %s and the body %.60q", q.URL, got, body)
			}
			m := &manners[i]
			if _, err := io.WriteString(c, m.answer(token, tokenBody(token, size))); err != nil || m.end {
				return
			}
		}
	})
	r := newRig(t, oneGroup, target.Addr())

	const clients = 16
	var left, whole, refused, cut atomic.Int64
	left.Store(int64(total))
	var all sync.WaitGroup
	for k := range clients {
		all.Go(func() {
			c := tokenClient{t: t, addr: r.addr, name: fmt.Sprintf("c%d", k), rnd: rand.New(rand.NewPCG(uint64(k), 1))}
			defer c.close()
			for left.Add(-1) >= 0 && !t.Failed() {
				switch c.exchange() {
				case tokenWhole:
					whole.Add(1)
				case tokenRefused:
					refused.Add(1)
				case tokenCut:
					cut.Add(1)
				}
			}
		})
	}
	all.Wait()
	r.checkIdle()
	t.Logf("%d requests: %d answered, %d refused with a 5xx, %d cut", total, whole.Load(), refused.Load(), cut.Load())
	if whole.Load() < int64(total)/2 || refused.Load() == 0 || cut.Load() == 0 {
		t.Error("the mixture is off")
	}
}

// tokenClient is a client with one connection, opened when it is needed.
type tokenClient struct {
	t     *testing.T
	addr  string
	name  string
	rnd   *rand.Rand
	conn  net.Conn
	r     *bufio.Reader
	count int
	got   bytes.Buffer
}

type tokenResult int

const (
	tokenWhole tokenResult = iota
	tokenRefused
	tokenCut
)

func (c *tokenClient) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// exchange sends a request and checks what comes.
func (c *tokenClient) exchange() tokenResult {
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			c.t.Error(err)
			return tokenCut
		}
		conn.SetDeadline(time.Now().Add(12 * patience))
		c.conn = conn
		if c.r == nil {
			c.r = bufio.NewReader(conn)
		} else {
			c.r.Reset(conn)
		}
	}
	c.count++
	token := fmt.Sprintf("%s.%d", c.name, c.count)
	i := c.rnd.IntN(civil)
	if c.rnd.IntN(5) == 0 {
		i = civil + c.rnd.IntN(len(manners)-civil)
	}
	m := &manners[i]
	size := 1 + c.rnd.IntN(600)
	if c.rnd.IntN(20) == 0 {
		size = 1 + c.rnd.IntN(40_000)
	}
	head := fmt.Sprintf("%s /%d/%d/%s HTTP/1.1\r\nHost: h\r\nX-Token: %s\r\n", m.method, i, size, token, token)
	if m.method == "POST" || m.method == "PUT" {
		body := tokenBody(token, 1+c.rnd.IntN(300))
		if c.rnd.IntN(4) == 0 {
			head += fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		} else {
			head += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
		}
	} else {
		head += "\r\n"
	}
	if _, err := io.WriteString(c.conn, head); err != nil {
		c.close()
		return tokenCut
	}
	for {
		res, err := http.ReadResponse(c.r, &http.Request{Method: m.method})
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !isReset(err) {
				c.t.Errorf("%s %s: %v", m.name, token, err)
			}
			c.close()
			return tokenCut
		}
		ours := res.Header.Get("Server") == "elbow"
		if got := res.Header.Get("X-Token"); !ours && got != token {
			c.t.Errorf("%s: the response to %s has the token %q", m.name, token, got)
		}
		if res.StatusCode < 200 {
			continue
		}
		c.got.Reset()
		_, err = c.got.ReadFrom(res.Body)
		if err != nil || res.Close {
			c.close()
		}
		switch {
		case ours && res.StatusCode >= 500:
			return tokenRefused
		case ours:
			c.t.Errorf("%s %s: refused with %d", m.name, token, res.StatusCode)
		case c.got.String() != tokenBody(token, c.got.Len()):
			c.t.Errorf("%s: the response to %s is %.80q", m.name, token, c.got.String())
		case err != nil:
			return tokenCut
		}
		return tokenWhole
	}
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

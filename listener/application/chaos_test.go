package application_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestChaos has clients and targets that end anywhere, in any way, and speak
// nonsense: whatever happens, in the end nothing is held, counted or open, and
// a well-behaved client beside them is served all the time.
func TestChaos(t *testing.T) {
	body := strings.Repeat("b", 70_000)
	answers := []string{
		okResponse,
		"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + body,
		"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + body + body + body[:60_000],
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n" + body + "\r\n0\r\nX-T: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n" + body,
		"HTTP/1.1 100 Continue\r\n\r\n" + okResponse,
		okResponse + okResponse,
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\n" + body,
		"garbage garbage garbage\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
	}
	requests := []string{
		"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /a HTTP/1.0\r\n\r\n",
		"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody",
		"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + body,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n" + body + "\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\nzz\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
		"GET /old/x HTTP/1.1\r\nHost: x\r\n\r\n",
		"TRACE / HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + body,
		"nonsense\r\n\r\n",
	}
	// end closes c in one of the ways there are.
	end := func(rnd *rand.Rand, c *net.TCPConn) {
		switch rnd.IntN(3) {
		case 0:
			c.CloseWrite()
			c.SetReadDeadline(time.Now().Add(patience))
			io.Copy(io.Discard, c)
		case 1:
			c.SetLinger(0)
		}
		c.Close()
	}
	var seed sync.Mutex
	seeds := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	newRand := func() *rand.Rand {
		seed.Lock()
		defer seed.Unlock()
		return rand.New(rand.NewPCG(seeds.Uint64(), seeds.Uint64()))
	}
	target := scriptedTarget(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		rnd := newRand()
		for {
			if rnd.IntN(20) == 0 {
				end(rnd, c) // before it read anything
				return
			}
			q, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if q.Header.Get("X-Good") != "" {
				io.WriteString(c, okResponse)
				continue
			}
			if rnd.IntN(5) > 0 {
				io.Copy(io.Discard, q.Body)
			}
			a := answers[rnd.IntN(len(answers))]
			if rnd.IntN(4) == 0 {
				io.WriteString(c, a[:rnd.IntN(len(a))])
				end(rnd, c)
				return
			}
			if _, err := io.WriteString(c, a); err != nil {
				return
			}
			if strings.Contains(a, "\r\n\r\nbb") && !strings.Contains(a, "Length") {
				end(rnd, c) // which is the end of the body
				return
			}
		}
	})
	r := newRig(t, oneGroup, target.Addr())

	const clients, rounds = 8, 60
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			rnd := newRand()
			for range rounds {
				conn, err := net.Dial("tcp", r.addr)
				if err != nil {
					t.Error(err)
					return
				}
				c := conn.(*net.TCPConn)
				q := requests[rnd.IntN(len(requests))]
				if rnd.IntN(3) == 0 {
					io.WriteString(c, q[:rnd.IntN(len(q))])
					end(rnd, c)
					continue
				}
				io.WriteString(c, q)
				if rnd.IntN(3) > 0 {
					// The beginning of what comes, which is never shorter.
					c.SetReadDeadline(time.Now().Add(patience))
					io.CopyN(io.Discard, c, int64(1+rnd.IntN(15)))
				}
				end(rnd, c)
			}
		})
	}
	stop := make(chan struct{})
	good := make(chan int)
	go func() {
		served := 0
		defer func() { good <- served }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			// Idempotent, so it is tried again where a target closes on it.
			q, _ := http.NewRequest("GET", "http://"+r.addr+"/good", nil)
			q.Header.Set("X-Good", "yes")
			res, err := http.DefaultClient.Do(q)
			if err != nil {
				t.Errorf("the good client: %v", err)
				return
			}
			b, err := io.ReadAll(res.Body)
			res.Body.Close()
			// A target that closes before it reads makes a 502, since there is
			// no other target; what may not be is an answer to somebody else.
			if err != nil || res.StatusCode != 502 && (res.StatusCode != 200 || string(b) != "ok") {
				t.Errorf("the good client: %d %.40q, %v", res.StatusCode, b, err)
				return
			}
			served++
		}
	}()
	all.Wait()
	close(stop)
	if n := <-good; n == 0 {
		t.Error("the good client was not served")
	}
	http.DefaultClient.CloseIdleConnections()
	r.checkIdle()
	if n := r.live.Load().Listeners[0].Metrics.Shard(0).ActiveConnections.Load(); n != 0 {
		t.Errorf("%d connections are counted as active", n)
	}
	lines := 0
	for _, line := range r.logLines() {
		if lines++; !strings.HasPrefix(line, "http ") {
			t.Errorf("log line %q", line)
		}
	}
	t.Log(fmt.Sprint(lines, " lines in the log"))
}

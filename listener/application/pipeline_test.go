package application_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"testing"
)

// echoTarget answers with what it got, when it has all of it, framed as the path
// says: /chunked or /length.
func echoTarget(t *testing.T) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("X-Got", q.Method+" "+q.URL.Path+" "+q.Header.Get("X-Number"))
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Errorf("%s: %v", q.Header.Get("X-Number"), err)
		}
		if q.URL.Path == "/length" {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		} else {
			w.(http.Flusher).Flush()
		}
		w.Write(body)
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Close()
		<-served
	})
	return l.Addr()
}

// TestPipelining sends requests of all kinds one behind the other, cut into
// pieces anywhere, without waiting for answers: each must get its own.
func TestPipelining(t *testing.T) {
	target := echoTarget(t)
	r := newRig(t, monitored, target)
	const seeds, requests = 20, 40
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			type request struct {
				got  string
				body []byte
				head bool
			}
			var sent []request
			var stream bytes.Buffer
			for i := range requests {
				q := request{body: make([]byte, []int{0, 0, 5, 500, 5000, 70_000, 200_000}[rnd.IntN(7)])}
				for j := range q.body {
					q.body[j] = byte(rnd.Uint32())
				}
				method := []string{"POST", "PUT", "PATCH"}[rnd.IntN(3)]
				if len(q.body) == 0 {
					method = []string{"GET", "HEAD", "POST", "OPTIONS"}[rnd.IntN(4)]
				}
				q.head = method == "HEAD"
				path := []string{"/length", "/chunked"}[rnd.IntN(2)]
				q.got = fmt.Sprintf("%s %s %d", method, path, i)
				fmt.Fprintf(&stream, "%s %s HTTP/1.1\r\nHost: x\r\nX-Number: %d\r\n", method, path, i)
				if rnd.IntN(4) == 0 { // a head larger than the small buffer
					fmt.Fprintf(&stream, "X-Fill: %0*d\r\n", 1+rnd.IntN(9000), 0)
				}
				if len(q.body) == 0 && rnd.IntN(2) == 0 {
					stream.WriteString("\r\n")
				} else if rnd.IntN(2) == 0 {
					fmt.Fprintf(&stream, "Content-Length: %d\r\n\r\n", len(q.body))
					stream.Write(q.body)
				} else {
					stream.WriteString("Transfer-Encoding: chunked\r\n\r\n")
					for rest := q.body; len(rest) > 0; {
						n := 1 + rnd.IntN(len(rest))
						fmt.Fprintf(&stream, "%x;ext\r\n%s\r\n", n, rest[:n])
						rest = rest[n:]
					}
					stream.WriteString("0\r\nX-Trailer: yes\r\n\r\n")
				}
				sent = append(sent, q)
			}

			c := r.dial()
			c.t = t
			written := make(chan error, 1)
			go func() {
				for stream.Len() > 0 {
					if _, err := c.Write(stream.Next(1 + rnd.IntN(1<<(3+rnd.IntN(15))))); err != nil {
						written <- err
						return
					}
				}
				written <- nil
			}()
			for i, q := range sent {
				method := "POST"
				if q.head {
					method = "HEAD"
				}
				res, body := c.response(method)
				if res.StatusCode != 200 || res.Header.Get("X-Got") != q.got || res.Close {
					t.Fatalf("response %d: %d, close %v, to %q, want to %q", i, res.StatusCode, res.Close, res.Header.Get("X-Got"), q.got)
				}
				if body != string(q.body) {
					t.Fatalf("response %d (%s): %d bytes, want %d; or others", i, q.got, len(body), len(q.body))
				}
			}
			if err := <-written; err != nil {
				t.Error(err)
			}
			c.Close()
			r.checkIdle()
		})
	}
}

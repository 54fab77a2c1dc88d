package main

import (
	"fmt"
	"testing"
)

func TestAnswer(t *testing.T) {
	const whole = "HTTP/1.1 200 OK\r\nDate: x\r\nCONTENT-length:  5\r\n\r\nabcde"
	var a answer
	for n := 0; n <= len(whole); n++ {
		done, err := a.parse([]byte(whole[:n]))
		if err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		if want := n == len(whole); done != want {
			t.Fatalf("after %d bytes: done %v, want %v", n, done, want)
		}
	}
	for what, bad := range map[string]string{
		"more than one":   whole + "H",
		"another status":  "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
		"no length":       "HTTP/1.1 200 OK\r\nX: content-length: 5\r\n\r\n",
		"a bad length":    "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
		"negative length": "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
	} {
		if _, err := new(answer).parse([]byte(bad)); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if done, err := new(answer).parse(b); done && err != nil {
			t.Error("both done and failed")
		}
	})
}

func TestRespond(t *testing.T) {
	tg := &target{sizes: [2]map[int][]byte{{}, {}}}
	f := func(face int, line, want string, wantOK bool) {
		t.Helper()
		got, ok := tg.respond(face, []byte(line+"\r\nHost: x\r\n\r\n"))
		if ok != wantOK || len(got) < len(want) || string(got[len(got)-len(want):]) != want {
			t.Errorf("%q: …%q, %v; want …%q, %v", line, got, ok, want, wantOK)
		}
	}
	f(0, "GET /3 HTTP/1.1", "\r\n\r\nabc", true)
	f(0, "GET /svc18/3 HTTP/1.1", "Content-Length: 3\r\n\r\nabc", true)
	f(1, "GET /0 HTTP/1.1", "X-Face: other\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n", true)
	f(0, "GET /a/echo-head HTTP/1.1", "Content-Length: 38\r\n\r\nGET /a/echo-head HTTP/1.1\r\nHost: x\r\n\r\n", true)
	f(0, "GET /x HTTP/1.1", string(notFound), true)
	f(0, "GET /99999999 HTTP/1.1", string(notFound), true)
	f(0, "POST /3 HTTP/1.1", "Connection: close\r\n\r\n", false)
	f(0, "GET", "Connection: close\r\n\r\n", false)
	for n := range maxSizes {
		tg.respond(0, fmt.Appendf(nil, "GET /%d HTTP/1.1\r\n\r\n", n))
	}
	f(0, "GET /5000 HTTP/1.1", string(notFound), true) // no more sizes are kept
}

func TestRing(t *testing.T) {
	r := newRing(3)
	next := 0
	for n := range 10 { // goes round more than once
		for !r.empty() && r.used > n%3 {
			if v := r.pop(); v != next {
				t.Fatalf("popped %d, want %d", v, next)
			}
			next++
		}
		r.push(n)
	}
}

package system

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Readers that are slower than the target get every byte, and hold up nobody
// else.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	program(t, "curl")
	dir := filepath.Join(t.TempDir(), "files")
	mkdir(t, dir)
	const size = 8 << 20
	sum := randomFile(t, filepath.Join(dir, "large"), size)
	out := t.TempDir()
	var readers sync.WaitGroup
	for i, g := range []*target{
		startGo(t, targetOptions{id: "go", files: dir}),
		startNode(t, targetOptions{id: "node", files: dir}),
		startNginx(t, "nginx", nginxOptions{files: dir}),
	} {
		d := simple(t, once, g.addr)
		for j := range 3 {
			readers.Go(func() {
				to := filepath.Join(out, fmt.Sprint(i, j))
				curl(t, "-sSf", "--limit-rate", "4M", "-m", fmt.Sprint(2*patience.Seconds()), "-o", to, "http://"+d.addr+"/files/large")
				if sumOf(t, to) != sum {
					t.Errorf("%s, reader %d: another body arrived", g.name, j)
				}
			})
		}
		// Meanwhile, on the same target:
		load{addr: d.addr, clients: 2, requests: scaled(500), call: getID}.run(t).clean(t)
	}
	readers.Wait()
}

// wrk keeps connections busy in ways of its own and counts what goes wrong.
func TestWrk(t *testing.T) {
	t.Parallel()
	wrk := program(t, "wrk")
	targets := addresses(three(t, startGo))
	d := simple(t, once, targets...)
	out, err := exec.Command(wrk, "-t1", "-c64", "-d2s", "http://"+d.addr+"/id").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m := regexp.MustCompile(`(\d+) requests in`).FindSubmatch(out)
	if m == nil || string(m[1]) == "0" {
		t.Fatalf("no requests:\n%s", out)
	}
	if bytes.Contains(out, []byte("Socket errors")) || bytes.Contains(out, []byte("Non-2xx")) {
		t.Errorf("wrk counts errors:\n%s", out)
	}
	requests, _ := strconv.ParseFloat(string(m[1]), 64)
	if n, _ := d.metric(t, "elbow_requests_total"); n < requests {
		t.Errorf("wrk counts %v requests, elbow %v", requests, n)
	}
}

// A target may answer before it has read the body: the client gets that answer,
// and the connection ends where its rest would have to be read.
func TestEarlyResponse(t *testing.T) {
	t.Parallel()
	for _, g := range []*target{startGo(t, targetOptions{id: "go"}), startNode(t, targetOptions{id: "node"})} {
		d := simple(t, once, g.addr)
		for _, size := range []int{1, 1 << 10, 100 << 10, 20 << 20} {
			for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
				c := d.dial(t)
				fmt.Fprintf(c, "POST /early HTTP/1.1\r\nHost: test\r\n%sContent-Length: %d\r\n\r\n", expect, size)
				if expect == "" {
					go io.Copy(c, newStream(int64(size))) // until it is sent or the connection ends
				}
				r, err := readReply(bufio.NewReader(c), http.MethodPost)
				if err != nil || r.status != http.StatusRequestEntityTooLarge || !strings.Contains(string(r.body), "too large for me") {
					t.Errorf("%s, %d bytes, %q: %d %q, %v", g.name, size, expect, r.status, r.body, err)
				}
				c.Close()
			}
		}
		// Nothing of it is left for others.
		load{addr: d.addr, clients: 4, requests: 100, call: getID}.run(t).clean(t)
	}
}

// A client of HTTP/1.0 gets what it can understand: no chunks, no interim
// responses, and a connection that is kept only if it asked for that.
func TestHTTP10Client(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "files")
	mkdir(t, dir)
	sum := randomFile(t, filepath.Join(dir, "f"), 100_000)
	for _, g := range []*target{
		startGo(t, targetOptions{id: "go", files: dir}),
		startNode(t, targetOptions{id: "node", files: dir}),
	} {
		d := simple(t, once, g.addr)

		// No keep-alive: the end of the connection ends the body.
		c := d.dial(t)
		io.WriteString(c, "GET /chunked/f HTTP/1.0\r\nExpect: 100-continue\r\n\r\n")
		all, err := io.ReadAll(c)
		head, body, _ := bytes.Cut(all, []byte("\r\n\r\n"))
		if got, _ := sumAll(bytes.NewReader(body)); err != nil || got != sum || !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
			t.Errorf("%s: %v, %s, the right body: %v", g.name, err, head, got == sum)
		}
		if bytes.Contains(bytes.ToLower(head), []byte("transfer-encoding")) {
			t.Errorf("%s: chunks for HTTP/1.0: %s", g.name, head)
		}

		// Keep-alive, where there is a length.
		c = d.dial(t)
		br := bufio.NewReader(c)
		for range 3 {
			io.WriteString(c, "GET /files/f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatalf("%s: %v", g.name, err)
			}
			got, err := sumAll(resp.Body)
			if err != nil || got != sum {
				t.Errorf("%s, kept: %v, the right body: %v", g.name, err, got == sum)
			}
		}
	}
}

// A client may send requests without waiting for the answers: they come in the
// order of the requests, whatever targets they come from.
func TestPipelining(t *testing.T) {
	t.Parallel()
	d := simple(t, once, addresses(three(t, startGo))...)
	const rounds, depth = 50, 20
	c := client{addr: d.addr}
	defer c.close()
	for round := range rounds {
		var raw []byte
		var calls []call
		for i := range depth {
			q := token(round, i)
			if i%4 == 3 {
				q = getID(0, 0)
			}
			calls = append(calls, q)
			raw = append(raw, q.raw...)
		}
		if err := c.send(raw); err != nil {
			t.Fatal(err)
		}
		for i, q := range calls {
			r, err := readReply(c.r, q.method)
			if err == nil && q.check != nil {
				err = q.check(r)
			}
			if err != nil || r.ends {
				t.Fatalf("round %d, response %d: %d, the last: %v, %v", round, i, r.status, r.ends, err)
			}
		}
	}
}

package system

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// SIGTERM: not ready at once, no new connections, but every request in flight is
// answered; then exit code 0.
func TestDrain(t *testing.T) {
	t.Parallel()
	g := startGo(t, targetOptions{id: "t"})
	d := simple(t, once, g.addr)

	const requests = 100
	type answer struct {
		reply
		err error
	}
	answers := make([]answer, requests)
	var clients sync.WaitGroup
	for i := range answers {
		clients.Go(func() {
			c := client{addr: d.addr}
			defer c.close()
			answers[i].reply, answers[i].err = c.do(http.MethodPost, post("/hold", []byte("x")), true)
		})
	}
	idle := client{addr: d.addr} // a connection without a request
	defer idle.close()
	if _, err := idle.do(http.MethodGet, get("/id"), true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all requests are in flight", func() bool { return g.direct(t, "/held") == strconv.Itoa(requests) })
	if code := d.get("/readyz", nil); code != http.StatusOK {
		t.Fatalf("/readyz before: %d", code)
	}

	d.signal(t, syscall.SIGTERM)
	eventually(t, "/readyz is 503", func() bool { return d.get("/readyz", nil) == http.StatusServiceUnavailable })
	eventually(t, "the listener is closed", func() bool { return !accepts(d.port) })
	if _, err := idle.r.ReadByte(); err == nil {
		t.Error("the idle connection had something to say")
	}
	if held := g.direct(t, "/held"); held != strconv.Itoa(requests) || !d.running() {
		t.Fatalf("%s requests are still in flight, want %d", held, requests)
	}

	g.direct(t, "/release")
	clients.Wait()
	failed := 0
	for _, a := range answers {
		if a.err != nil || a.status != http.StatusOK || !a.ends {
			failed++
			t.Logf("status %d, connection ends %v, %v", a.status, a.ends, a.err)
		}
	}
	if failed > 0 {
		t.Errorf("%d of %d requests were not answered, or not told that the connection ends", failed, requests)
	}
	if code := d.exit(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// SIGTERM under load fails no request of a client that always has one under way:
// its connection ends with a response that says so.
func TestDrainUnderLoad(t *testing.T) {
	t.Parallel()
	d := simple(t, once, addresses(three(t, startGo))...)
	type end struct {
		answered int
		err      error
	}
	ends := make([]end, 16)
	begun := make(chan struct{}, 2*len(ends)) // at most two words of each
	var clients sync.WaitGroup
	for i := range ends {
		clients.Go(func() {
			e := &ends[i]
			c := client{addr: d.addr}
			defer c.close()
			for {
				r, err := c.do(http.MethodGet, get("/id"), true)
				if err == nil && r.status != http.StatusOK {
					err = fmt.Errorf("status %d", r.status)
				}
				if err == nil {
					e.answered++
				}
				e.err = err
				if e.answered == 20 || err != nil {
					begun <- struct{}{}
				}
				if r.ends || err != nil {
					return
				}
			}
		})
	}
	for range ends {
		<-begun
	}
	d.signal(t, syscall.SIGTERM)
	clients.Wait()
	for i, e := range ends {
		if e.answered < 20 || e.err != nil {
			t.Errorf("client %d: %d requests answered, then: %v", i, e.answered, e.err)
		}
	}
	if code := d.exit(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

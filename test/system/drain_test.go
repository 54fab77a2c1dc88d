package system

import (
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

// SIGTERM under load: clients in a closed loop are told by the response under way
// that it is the last of its connection. What a client sends into an idle
// connection that is just being closed is its own to repeat (RFC 9112 section
// 9.3.1), and all that may go wrong here.
func TestDrainUnderLoad(t *testing.T) {
	t.Parallel()
	targets := addresses(three(t, startGo))
	d := simple(t, once, targets...)
	var clients sync.WaitGroup
	type end struct {
		answered int
		err      error
		closing  bool
	}
	ends := make([]end, 16)
	started := make(chan struct{}, len(ends))
	for i := range ends {
		clients.Go(func() {
			c := client{addr: d.addr}
			defer c.close()
			e := &ends[i]
			for {
				r, err := c.do(http.MethodGet, get("/id"), true)
				if err != nil || r.status != http.StatusOK {
					e.err = err
					return
				}
				if e.answered++; e.answered == 20 {
					started <- struct{}{}
				}
				if e.closing = r.ends; e.closing {
					return
				}
			}
		})
	}
	for range ends {
		<-started
	}
	d.signal(t, syscall.SIGTERM)
	clients.Wait()
	announced := 0
	for i, e := range ends {
		if e.closing {
			announced++
		}
		if e.answered < 20 {
			t.Errorf("client %d: %d requests answered, then %v", i, e.answered, e.err)
		}
	}
	if code := d.exit(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	t.Logf("%d of %d connections ended with a response that said so, the others while idle", announced, len(ends))
}

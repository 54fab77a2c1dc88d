package system

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A reload that takes away the listener that requests came by, and the target
// that they are at, lets them finish. A connection that came by it and is idle
// then gets one more answer, by which it learns that it ends.
func TestReloadKeepsWhatIsInFlight(t *testing.T) {
	t.Parallel()
	old, kept := startGo(t, targetOptions{id: "old"}), startGo(t, targetOptions{id: "kept"})
	extra := freePort(t)
	both := func(d *daemon) string {
		other := fmt.Sprintf("      - {protocol: HTTP, port: %d, address: 127.0.0.1, default_actions: [{type: forward, target_group: main}]}\n", extra)
		return strings.Replace(d.forward(group("main", once, old.addr, kept.addr)), "target_groups:", other+"target_groups:", 1)
	}
	d := start(t, both)
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(extra))

	const requests = 20
	replies, errs := make([]reply, requests), make([]error, requests)
	var clients sync.WaitGroup
	for i := range requests {
		clients.Go(func() {
			c := client{addr: address}
			defer c.close()
			replies[i], errs[i] = c.do(http.MethodGet, get("/hold"), true)
		})
	}
	idle := client{addr: address}
	defer idle.close()
	if r, err := idle.do(http.MethodGet, get("/id"), true); err != nil || r.ends {
		t.Fatalf("before: %v, the last: %v", err, r.ends)
	}
	eventually(t, "all requests are in flight", func() bool {
		a, _ := strconv.Atoi(old.direct(t, "/held"))
		b, _ := strconv.Atoi(kept.direct(t, "/held"))
		return a > 0 && b > 0 && a+b == requests
	})

	d.write(t, d.forward(group("main", once, kept.addr)))
	if code := d.ask(http.MethodPost, "/reload", nil); code != http.StatusOK {
		t.Fatalf("/reload: %d", code)
	}
	eventually(t, "the listener is closed", func() bool { return !accepts(extra) })
	if r, err := idle.do(http.MethodGet, get("/id"), true); err != nil || r.status != http.StatusOK || string(r.body) != "kept" || !r.ends {
		t.Errorf("on an idle connection: %d %q, the last: %v, %v", r.status, r.body, r.ends, err)
	}
	load{addr: d.addr, clients: 2, requests: 20, call: getID}.run(t).clean(t)

	old.direct(t, "/release")
	kept.direct(t, "/release")
	clients.Wait()
	served := map[string]int{}
	for i, r := range replies {
		if errs[i] != nil || r.status != http.StatusOK {
			t.Errorf("request %d: %d, %v", i, r.status, errs[i])
		}
		served[r.header.Get("X-Target")]++
	}
	if served["old"] == 0 || served["kept"] == 0 {
		t.Errorf("served by %v, want both", served)
	}
}

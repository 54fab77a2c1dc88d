package system

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
)

// three starts three targets.
func three(t *testing.T, startTarget func(testing.TB, targetOptions) *target) []*target {
	t.Helper()
	var all []*target
	for i := range 3 {
		all = append(all, startTarget(t, targetOptions{id: "t" + strconv.Itoa(i)}))
	}
	return all
}

func addresses(all []*target) []string {
	var a []string
	for _, g := range all {
		a = append(a, g.addr)
	}
	return a
}

// A target that is killed under load costs no GET; once it is back and checked
// it takes part again.
func TestTargetKilled(t *testing.T) {
	for name, c := range map[string]struct {
		start    func(testing.TB, targetOptions) *target
		requests int
	}{
		"node": {startNode, 20_000},
		"go":   {startGo, 5_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			targets := three(t, c.start)
			d := simple(t, often, addresses(targets)...)
			requests := scaled(c.requests)
			kept := load{addr: d.addr, clients: 24, requests: requests, call: getID}.start(t)
			fresh := load{addr: d.addr, clients: 4, requests: requests / 10, fresh: true, call: getID}.start(t)

			kept.reach(t, requests/4)
			targets[1].kill()
			kept.more(t, requests/4)
			kept.underWay(t)
			kept.stop()
			fresh.stop()
			kept.clean(t)
			fresh.clean(t)
			if len(kept.served) != 3 {
				t.Errorf("served by %v, want three targets", kept.served)
			}
			retries, _ := d.metric(t, "elbow_target_group_retries_total")
			t.Logf("%d requests on kept connections, %d on new ones, 0 failed; %v retries", kept.done.Load(), fresh.done.Load(), retries)

			// Back to service: from unhealthy to healthy, then requests.
			eventually(t, "the dead target is unhealthy", func() bool { return d.target(t, targets[1].addr).State == "unhealthy" })
			targets[1].restart(t)
			eventually(t, "the target is healthy again", func() bool { return d.target(t, targets[1].addr).State == "healthy" })
			again := load{addr: d.addr, clients: 3, requests: 30, call: getID}.run(t)
			again.clean(t)
			if again.served["t1"] != 10 {
				t.Errorf("served by %v, want 10 each", again.served)
			}
		})
	}
}

func getID(int, int) call { return call{method: http.MethodGet, raw: get("/id")} }

// A target that is killed takes the POSTs with it that it had, and no other: a
// POST is never sent twice.
func TestTargetKilledPosts(t *testing.T) {
	t.Parallel()
	targets := three(t, startGo)
	d := simple(t, once, addresses(targets)...)

	// Known numbers: all requests are in flight, and none is answered yet.
	const requests = 31
	holding := load{addr: d.addr, clients: requests, requests: requests, call: func(c, n int) call {
		return call{method: http.MethodPost, raw: post("/hold", []byte("x"))}
	}}
	done := make(chan *running)
	go func() { done <- holding.run(t) }()
	lost := 0
	eventually(t, "all requests are in flight", func() bool {
		n := 0
		for i, g := range targets {
			held, _ := strconv.Atoi(g.direct(t, "/held"))
			n += held
			if i == 1 {
				lost = held
			}
		}
		return n == requests
	})
	targets[1].kill()
	for _, i := range []int{0, 2} {
		targets[i].direct(t, "/release")
	}
	r := <-done
	if r.failed != lost {
		t.Errorf("%d requests failed, but %d were in flight on the target that was killed: %v", r.failed, lost, r.errs)
	}

	// Under load: no more than the clients can have had in flight there. What
	// comes after finds the target closed and goes elsewhere.
	targets[1].restart(t)
	const clients = 16
	posts := load{addr: d.addr, clients: clients, requests: scaled(8_000), call: func(c, n int) call {
		return call{method: http.MethodPost, raw: post("/id", fmt.Appendf(nil, "%d", n))}
	}}.start(t)
	posts.reach(t, posts.requests/4)
	targets[1].kill()
	posts.more(t, posts.requests/4)
	posts.underWay(t)
	posts.stop()
	if posts.failed > clients {
		t.Errorf("%d of %d POSTs failed, but %d clients cannot have had more than %d in flight: %v",
			posts.failed, posts.done.Load(), clients, clients, posts.errs)
	}
	t.Logf("%d of %d POSTs failed with the target that was killed", posts.failed, posts.done.Load())
}

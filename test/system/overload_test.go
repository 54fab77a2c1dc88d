package system

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// limitedTarget serves at most n requests at a time, each for so long; what comes
// besides waits, as it does with most servers.
func limitedTarget(t *testing.T, n int, each time.Duration) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	places := make(chan struct{}, n)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		places <- struct{}{}
		time.Sleep(each) // the work
		<-places
		io.WriteString(w, "done")
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

// sample is one request of an open loop.
type sample struct {
	status int
	took   time.Duration
}

// openLoop sends requests at a rate, whether or not others have been answered.
func openLoop(c *http.Client, url string, rate int, d time.Duration) []sample {
	var mu sync.Mutex
	var out []sample
	var sent sync.WaitGroup
	began := time.Now()
	for n := 0; time.Since(began) < d; n++ {
		time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(rate))))
		sent.Go(func() {
			asked, status := time.Now(), 0
			if res, err := c.Get(url); err == nil {
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				status = res.StatusCode
			}
			mu.Lock()
			out = append(out, sample{status, time.Since(asked)})
			mu.Unlock()
		})
	}
	sent.Wait()
	return out
}

// percentile is of the samples with that status; and how many there are.
func percentile(all []sample, status int, p float64) (time.Duration, int) {
	var took []time.Duration
	for _, s := range all {
		if s.status == status {
			took = append(took, s.took)
		}
	}
	if len(took) == 0 {
		return 0, 0
	}
	slices.Sort(took)
	return took[int(p*float64(len(took)-1))], len(took)
}

// Twice as many requests as a target can work on: it does what it can all the
// while, and the others are told at once.
//
// It is a measurement of time, so it runs alone.
func TestOverload(t *testing.T) {
	const places, each = 8, 20 * time.Millisecond
	const capacity = places * int(time.Second/each)
	target := limitedTarget(t, places, each)
	d := start(t, func(d *daemon) string {
		g := group("main", unchecked, target)
		return d.forward(strings.Replace(g, "    targets:", fmt.Sprintf("    attributes: {elbow.max_outstanding_requests: %d, elbow.queue_size: %d}\n    targets:", places, places), 1))
	})
	seconds := 10
	if testing.Short() || raced {
		seconds = 3
	}
	c := &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	defer c.CloseIdleConnections()
	url := "http://" + d.addr + "/"
	openLoop(c, url, capacity/2, time.Second) // connections, caches

	calm := openLoop(c, url, capacity/2, 2*time.Second)
	calm99, served := percentile(calm, http.StatusOK, 0.99)
	if served != len(calm) || calm99 > 5*each {
		t.Skipf("the machine is too busy to measure: at half of the capacity %d of %d requests fail, and p99 is %v for work of %v",
			len(calm)-served, len(calm), calm99.Round(time.Millisecond), each)
	}
	all := openLoop(c, url, 2*capacity, time.Duration(seconds)*time.Second)
	ok99, ok := percentile(all, http.StatusOK, 0.99)
	refused50, refused := percentile(all, http.StatusServiceUnavailable, 0.5)
	refused99, _ := percentile(all, http.StatusServiceUnavailable, 0.99)
	if other := len(all) - ok - refused; other > 0 {
		t.Errorf("%d requests are answered with something else, or not at all", other)
	}
	goodput := 100 * float64(ok) / float64(capacity*seconds)
	if goodput < 85 && !raced {
		t.Errorf("%.1f %% of what the target can do is done, want 85 %%", goodput)
	}
	over := time.Now()
	eventually(t, "a request that is served when the load is over", func() bool {
		res, err := c.Get(url)
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	t.Logf("R16: %d requests/s offered to a target of %d/s for %d s: %.1f %% goodput; p99 of those served %v (%v at half the load); %d refused within %v (p50), %v (p99); recovered in %v",
		2*capacity, capacity, seconds, goodput, ok99.Round(time.Millisecond), calm99.Round(time.Millisecond), refused,
		refused50.Round(10*time.Microsecond), refused99.Round(10*time.Microsecond), time.Since(over).Round(time.Millisecond))
}

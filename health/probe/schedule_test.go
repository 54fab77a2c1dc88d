package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
)

// TestSpread: 1,000 new targets are all checked within a second, but not at
// once; afterwards no second has more than 1.5 times the mean.
func TestSpread(t *testing.T) {
	const targets, every = 1000, 5 * time.Second
	s := newStage(t, nil)
	cells := make([]health.Cell, targets)
	var specs []Spec[string]
	for i := range cells {
		sp := spec(fmt.Sprintf("10.0.%d.%d:80", i/250, i%250), &cells[i])
		sp.Check.Interval = every
		specs = append(specs, sp)
	}
	s.sync(specs...)
	for range 25 * 100 { // 25 s in steps of 10 ms
		s.advance(10 * time.Millisecond)
	}

	first := map[time.Duration]int{} // per 10 ms
	perSecond := make([]int, 25)
	for _, sp := range specs {
		at := s.checksOf(sp.Key)
		first[at[0]/(10*time.Millisecond)]++
		if at[0] > time.Second {
			t.Fatalf("%s: first check after %v", sp.Key, at[0])
		}
		for i, d := range at {
			if i > 0 {
				perSecond[min(int(d/time.Second), 24)]++
			}
			// A check sees the clock between its due time and the end of the step.
			if i > 1 && (d-at[i-1]-every).Abs() > 10*time.Millisecond {
				t.Fatalf("%s: checked at %v, want every %v", sp.Key, at, every)
			}
		}
	}
	for at, n := range first {
		if n > 30 {
			t.Errorf("%d first checks in the 10 ms from %v", n, at*10*time.Millisecond)
		}
	}
	mean := targets / int(every/time.Second)
	if most := slices.Max(perSecond); most > mean*3/2 {
		t.Errorf("checks per second: %v, want at most 1.5 times the mean of %d", perSecond, mean)
	}
}

// Each stretch of an interval has one check, the one after the first included.
func TestOneCheckPerInterval(t *testing.T) {
	s := newStage(t, nil)
	var specs []Spec[string]
	cells := make([]health.Cell, burst)
	for i := range cells {
		specs = append(specs, spec(fmt.Sprint(i), &cells[i]))
	}
	s.sync(specs...)
	for n := 1; n <= 4; n++ {
		for _, sp := range specs {
			s.wantChecks(sp.Key, n, "after each interval")
		}
		s.advance(interval)
	}
}

func TestSpreadOfFew(t *testing.T) {
	f := func(i, n int, interval, want time.Duration) {
		t.Helper()
		if got := spread(i, n, interval); got != want {
			t.Errorf("spread(%d, %d, %v) = %v, want %v", i, n, interval, got, want)
		}
	}
	f(63, 64, 5*time.Second, 0)
	f(0, 65, 5*time.Second, 0)
	f(500, 1000, 5*time.Second, 500*time.Millisecond)
	f(999, 1000, 5*time.Second, 999*time.Millisecond)
	f(500, 1000, 100*time.Millisecond, 50*time.Millisecond)
}

// BenchmarkCheck is the cost of one check of a target over loopback, both
// sides; 1,000 targets every 5 s are 200 of them per second.
func BenchmarkCheck(b *testing.B) {
	addr := target(b, answerWith(func() string { return "200 OK" }))
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	https := httpCheck()
	https.Protocol = config.HTTPS
	for _, c := range []struct {
		name   string
		prober Prober
	}{
		{"http", New(addr, httpCheck(), "", nil)},
		{"https", New(netip.MustParseAddrPort(s.Listener.Addr().String()), https, "", nil)},
		{"tcp", New(addr, tcpCheck(), "", nil)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ctx, cancel := context.WithTimeout(context.Background(), never)
				if r := c.prober.Probe(ctx); !r.OK {
					b.Fatal(r.Reason, r.Detail)
				}
				cancel()
			}
		})
	}
}

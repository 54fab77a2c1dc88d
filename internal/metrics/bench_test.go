package metrics

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func BenchmarkInc(b *testing.B) {
	s := New(1, Options{}).Listener("a", "b").Shard(0)
	for b.Loop() {
		s.Requests.Inc()
	}
}

// BenchmarkIncParallel has one shard per core: it shows that they do not
// disturb each other, when it is no slower per increment than BenchmarkInc.
func BenchmarkIncParallel(b *testing.B) {
	l := New(64, Options{}).Listener("a", "b")
	next := make(chan int, 64)
	for i := range 64 {
		next <- i
	}
	b.RunParallel(func(pb *testing.PB) {
		s := l.Shard(<-next)
		for pb.Next() {
			s.Requests.Inc()
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	s := New(1, Options{}).Group("g").Shard(0)
	for ns := int64(0); b.Loop(); ns += 12345 {
		s.Observe(ns & (1<<30 - 1))
	}
}

// BenchmarkRequest is all that one forwarded request counts.
func BenchmarkRequest(b *testing.B) {
	r := New(1, Options{})
	l, g, tg := r.Listener("a", "b").Shard(0), r.Group("g").Shard(0), r.Target("g", "t", "").Shard(0)
	for ns := int64(0); b.Loop(); ns += 12345 {
		l.Requests.Inc()
		l.RuleEvaluations.Add(20)
		l.ReceivedBytes.Add(400)
		l.SentBytes.Add(300)
		g.Requests.Inc()
		g.TargetCode(200)
		g.Observe(ns & (1<<30 - 1))
		tg.Requests.Inc()
		tg.TargetCode(200)
		tg.Observe(ns & (1<<30 - 1))
	}
}

// BenchmarkScrape has 10 listeners, 100 target groups and 1,000 targets.
func BenchmarkScrape(b *testing.B) {
	r := New(8, Options{})
	for i := range 10 {
		r.Listener("web", fmt.Sprint("HTTP:", i))
	}
	for i := range 100 {
		group := fmt.Sprint("group", i)
		r.Group(group)
		for j := range 10 {
			r.Target(group, fmt.Sprintf("10.0.0.%d:80", j), "a")
		}
	}
	r.OnScrape(emitAll(100, 10))
	h := r.Handler()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(discard{}, httptest.NewRequest("GET", "/metrics", nil))
	}
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return io.Discard.Write(b) }
func (discard) WriteHeader(int)             {}

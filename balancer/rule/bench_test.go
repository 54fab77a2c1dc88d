package rule

import (
	"fmt"
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/config"
)

// BenchmarkMatch shows what the package doc states: the time of a match does
// not grow with the number of rules, but for the caches.
func BenchmarkMatch(b *testing.B) {
	for _, w := range workloads {
		for _, n := range []int{10, 1_000, 10_000} {
			rules, requests := w.make(n)
			s := Compile(rules)
			b.Run(fmt.Sprintf("%s/%d", w.name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						s.Match(requests[i%len(requests)])
					}
				})
			})
		}
	}
}

// BenchmarkResidual is the worst there is: rules that the index cannot tell
// apart are tried one by one.
func BenchmarkResidual(b *testing.B) {
	for _, n := range []int{10, 100, 1_000} {
		var rules []*config.Rule
		for i := range n {
			rules = append(rules, one(config.Condition{Field: config.HTTPHeader, HeaderName: "X-Tenant", Values: []string{fmt.Sprint(i)}})...)
		}
		s := Compile(rules)
		r := request("www.example.com", "GET", "/", "")
		r.Head = &head{names: [][]byte{[]byte("accept"), []byte("x-tenant")}, values: [][]byte{[]byte("*/*"), []byte("none")}}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				s.Match(r)
			}
		})
	}
}

// BenchmarkLongPath tries 100 rules on a path of 8 KiB made to come close to
// each of them again and again.
func BenchmarkLongPath(b *testing.B) {
	path := "/" + strings.Repeat("ab", 4<<10)
	for _, pattern := range []string{"/ab%d/*", "*.ab%d", "*ab*ab%d", "*ababac%d*", "*ab?bac%d*"} {
		var rules []*config.Rule
		for i := range 100 {
			rules = append(rules, one(config.Condition{Field: config.PathPattern, Values: []string{fmt.Sprintf(pattern, i)}})...)
		}
		s, r := Compile(rules), request("www.example.com", "GET", path, "")
		b.Run(strings.ReplaceAll(fmt.Sprintf(pattern, 1), "/", "|"), func(b *testing.B) {
			for b.Loop() {
				s.Match(r)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, w := range workloads {
		rules, _ := w.make(10_000)
		b.Run(w.name+"/10000", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Compile(rules)
			}
		})
	}
}

package gate

import (
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/elbow-lb/elbow/test/lbtest"
)

// seen is what a good run of the case in TestJudge looks like; each row of it
// spoils one thing.
func seen() *Observation {
	fields := func(trace string, more ...lbtest.Field) []lbtest.Field {
		return append([]lbtest.Field{{Name: "Host", Value: "gate:80"}, {Name: "X-Amzn-Trace-Id", Value: trace}}, more...)
	}
	own := func(name string) []lbtest.Field { return fields("t2", lbtest.Field{Name: ownField, Value: name}) }
	return &Observation{
		Case: &Case{
			Name: "a/b", Tier: Compliant, Steps: []Step{{Send: []byte("GET /x HTTP/1.1\r\n\r\n")}},
			Want: []Outcome{{Statuses: [][]int{{200}}, Fate: Kept}}, Sees: []string{"GET /x HTTP/1.1"},
			Has: []string{"X-Amzn-Trace-Id: t1"}, Lacks: []string{"Te"}, Never: []string{"POISON"}, Log: []string{"error_reason="},
		},
		Stamp: "7", Fate: Kept, Logged: true,
		Responses: []*Response{{Status: 200, Echo: `"GET /x HTTP/1.1"`, Stamp: "7"}},
		Target: seenByTarget{requests: []*Request{
			{Start: "GET /x HTTP/1.1", Complete: true, Fields: fields("t1")},
			{Start: "GET /follow HTTP/1.1", Complete: true, Own: true, Fields: own("follow")},
			{Start: "GET /follow HTTP/1.1", Complete: true, Own: true, Fields: own("other")},
		}},
		Log: []map[string]any{
			{"elb_status_code": 200., "request_processing_time": 0., "request_method": "GET", "request_uri": "/x", "request_host": "gate", "trace_id": "t1"},
			{"elb_status_code": 200., "request_processing_time": 0., "request_method": "GET", "request_uri": "/follow", "request_host": "gate", "trace_id": "t2"},
		},
	}
}

func TestJudge(t *testing.T) {
	if p := Judge(seen()); len(p) > 0 {
		t.Fatalf("a good run: %q", p)
	}
	f := func(spoil func(o *Observation), want string) {
		t.Helper()
		o := seen()
		spoil(o)
		if p := strings.Join(Judge(o), "\n"); !strings.Contains(p, want) {
			t.Errorf("got %q, want %q in it", p, want)
		}
	}
	smuggled := &Request{Start: "GET /smuggled HTTP/1.1", Complete: true, Fields: []lbtest.Field{{Name: "Host", Value: "gate"}}}
	f(func(o *Observation) { o.Target.requests = append(o.Target.requests, smuggled) }, "SMUGGLED: the target saw 3 requests, the log has 2")
	f(func(o *Observation) { o.Target.requests[1] = smuggled }, "the log has \"/follow\"")
	f(func(o *Observation) { o.Target.requests[0].Start = "GET /y HTTP/1.1" }, "the target saw the target \"/y\", the log has \"/x\"")
	f(func(o *Observation) { o.Target.requests[0].Fields[0].Value = "other" }, "the target saw the host \"other\"")
	f(func(o *Observation) { o.Target.requests[0].Fields[1].Value = "t9" }, "the target saw the trace id \"t9\"")
	f(func(o *Observation) { o.Target.requests[0].Complete = false }, "the target never got all of")
	f(func(o *Observation) {
		o.Target.requests[0].Trailers = []lbtest.Field{{Name: "TE", Value: "a"}}
	}, "the target got Te [\"trailer a\"]")
	f(func(o *Observation) { o.Target.faults = []string{"a fault"} }, "a fault")
	f(func(o *Observation) { o.Log = o.Log[:1] }, "the log has statuses [200], the client got [200 200]")
	f(func(o *Observation) { o.Log[0]["classification"] = "Severe" }, "expected none")
	f(func(o *Observation) { o.Log[0]["error_reason"] = "Odd" }, "the log has error_reason \"Odd\"")
	f(func(o *Observation) { o.Case.Tier, o.Case.Reason = Ambiguous, "Why" }, "expected \"Ambiguous Why\"")
	f(func(o *Observation) { o.Responses[0].Status = 201 }, "expected 200 keep; got 201 keep")
	f(func(o *Observation) { o.Responses[0].Cut = true }, "got 200 cut keep")
	f(func(o *Observation) { o.Responses[0].Echo = `"GET /follow HTTP/1.1"` }, "the client got answers to")
	f(func(o *Observation) { o.Responses[0].Stamp = "6" }, "another case")
	f(func(o *Observation) { o.Responses = nil }, "got none keep")
	f(func(o *Observation) { o.Fate = Closed }, "got 200 close")
	f(func(o *Observation) { o.Fate, o.Detail = Lost, "why" }, "got 200 LOST why")
	f(func(o *Observation) { o.Fate = Silent }, "got 200 SILENT")
	f(func(o *Observation) { o.Other = "nothing came" }, "another client afterwards: nothing came")
	f(func(o *Observation) { o.In = []byte("a POISON") }, "the client got \"POISON\"")
}

func TestModes(t *testing.T) {
	forwarded := []Outcome{{Statuses: [][]int{{200}}, Fate: Closed}}
	f := func(c Case, mode, want string, discards bool) {
		t.Helper()
		d := c.In(mode)
		if got := d.Want[0].String(); got != want || d.Discards != discards {
			t.Errorf("%s in %s: got %s, discards %v; want %s, %v", c.Tier, mode, got, d.Discards, want, discards)
		}
	}
	f(Case{Tier: Compliant, Want: forwarded}, "defensive", "200 close", false)
	f(Case{Tier: Compliant, Want: forwarded}, "strictest", "200 close", false)
	f(Case{Tier: Acceptable, Want: forwarded}, "defensive", "200 close", false)
	f(Case{Tier: Acceptable, Want: forwarded}, "monitor", "200 close", false)
	f(Case{Tier: Acceptable, Want: forwarded}, "strictest", "400 close", false)
	f(Case{Tier: Ambiguous, Want: forwarded}, "defensive", "200 close", true)
	f(Case{Tier: Ambiguous, Want: forwarded}, "monitor", "200 known", false)
	f(Case{Tier: Ambiguous, Want: forwarded}, "strictest", "400 close", false)
	refused := []Outcome{{Statuses: [][]int{{400}}, Fate: Closed}}
	f(Case{Tier: Severe, Want: refused}, "defensive", "400 close", false)
	f(Case{Tier: Severe, Want: refused}, "monitor", "400 close", false)
	f(Case{Tier: Severe, Want: refused, Monitor: forwarded}, "monitor", "200 close", false)
}

// A load balancer that frames nothing, but passes on what comes, is found out:
// the runner, the target and the judge see what it lets through.
func TestRelayIsFoundOut(t *testing.T) {
	target, err := NewTarget()
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var relaying sync.WaitGroup
	relaying.Go(func() { relay(l, target.Addr(), &relaying) })
	defer relaying.Wait()
	defer l.Close()
	cases, err := Parse("relay.txt", `
case fine
  from nothing
  > GET /x HTTP/1.1
  > Host: gate
  >
  = 200 keep
case smuggled
  from TE.CL
  > POST /x HTTP/1.1
  > Host: gate
  > Content-Length: 5
  > Transfer-Encoding: chunked
  >
  > 0
  >
  = 400 close
case bare-lf
  from RFC 9112 section 2.2
  > GET /x HTTP/1.1
  >- Host: gate\n\n
  = 400 close
case poisoned
  from response queue poisoning
  > GET /x HTTP/1.1
  > Host: gate
  >
  <- HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON
  = 204 any
  never POISON
`)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, o := range Run(cases, []Lane{{"plain": {Addr: l.Addr().String(), Target: target}}}, Options{}) {
		if len(Judge(o)) > 0 {
			found = append(found, o.Case.Name)
		}
	}
	if want := []string{"relay/smuggled", "relay/bare-lf", "relay/poisoned"}; !slices.Equal(found, want) {
		t.Errorf("found out in %q, want %q", found, want)
	}
}

// relay passes on what comes on the connections of l, both ways.
func relay(l net.Listener, to string, running *sync.WaitGroup) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		running.Go(func() {
			defer c.Close()
			d, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer d.Close()
			var up sync.WaitGroup
			up.Go(func() {
				io.Copy(d, c)
				d.(*net.TCPConn).CloseWrite()
			})
			io.Copy(c, d)
			c.(*net.TCPConn).CloseWrite()
			up.Wait()
		})
	}
}

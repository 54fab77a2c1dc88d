package application

import (
	"math/rand/v2"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/internal/http1"
	"github.com/elbow-lb/elbow/internal/netio"
)

func TestHostOnly(t *testing.T) {
	f := func(host, want string) {
		t.Helper()
		if got := string(hostOnly([]byte(host))); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
	f("", "")
	f("a", "a")
	f("a.example", "a.example")
	f("a.example:80", "a.example")
	f("a.example:", "a.example")
	f("a.example:00080", "a.example")
	f("192.0.2.1", "192.0.2.1")
	f("192.0.2.1:8080", "192.0.2.1")
	f("8080", "8080")
	f("[::1]", "[::1]")
	f("[::1]:80", "[::1]")
	f("[::1]:", "[::1]")
	f("[::ffff:192.0.2.1]:80", "[::ffff:192.0.2.1]")
}

func TestAppendURIHost(t *testing.T) {
	f := func(addr, want string) {
		t.Helper()
		if got := string(appendURIHost(nil, netip.MustParseAddr(addr))); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	f("192.0.2.1", "192.0.2.1")
	f("2001:db8::1", "[2001:db8::1]")
}

// newExchange is an exchange with a request and no connection.
func newExchange(t *testing.T, request string) *exchange {
	t.Helper()
	x := &exchange{
		worker: &netio.Worker{Now: 5e9},
		rand:   rand.NewPCG(1, 2),
		conn:   &conn{server: NewServer(func() int64 { return 0x6a000000 * 1e9 }, nil, nil)},
	}
	if n, r := http1.ParseRequest([]byte(request), &x.req, nil); n == 0 {
		t.Fatalf("%q: %v", request, r)
	}
	return x
}

func TestTraceID(t *testing.T) {
	const (
		root  = `Root=1-6a000005-[0-9a-f]{24}`
		self  = `Self=1-6a000005-[0-9a-f]{24}`
		given = "Root=1-67891233-abcdef012345678912345678"
	)
	f := func(old, want string) {
		t.Helper()
		request := "GET / HTTP/1.1\r\nHost: x\r\n"
		if old != "" {
			request += "X-Amzn-Trace-Id: " + old + "\r\n"
		}
		got := string(newExchange(t, request+"\r\n").appendTraceID(nil))
		if !regexp.MustCompile("^(?:" + want + ")$").MatchString(got) {
			t.Errorf("%.60s: %.200s, want %s", old, got, want)
		}
	}
	f("", root)
	f("garbage", root)
	f("Root=", root) // empty
	f("root=1-2-3", root)
	f("Self=1-2-3", root) // without a root it means nothing
	f(given, self+";"+given)
	f(given+";CalledFrom=app", self+";"+given+";CalledFrom=app")
	f("CalledFrom=app;"+given, self+";CalledFrom=app;"+given)
	f("Self=1-2-3;"+given, self+";"+given) // ours takes its place
	f(given+";Self=1-2-3;Lineage=a:1", self+";"+given+";Lineage=a:1")
	f(" ; "+given+" ;; Sampled=1 ;", self+";"+given+";Sampled=1")
	f(given+";X="+strings.Repeat("x", 8000), root)

	// Each has ids of its own.
	x := newExchange(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if a, b := string(x.appendTraceID(nil)), string(x.appendTraceID(nil)); a == b {
		t.Errorf("%s twice", a)
	}
}

func TestCountForwarded(t *testing.T) {
	f := func(fields string, want int) {
		t.Helper()
		if got := newExchange(t, "GET / HTTP/1.1\r\nHost: x\r\n"+fields+"\r\n").countForwarded(); got != want {
			t.Errorf("%q: %d, want %d", fields, got, want)
		}
	}
	f("", 0)
	f("X-Forwarded-For:\r\n", 0)
	f("X-Forwarded-For: 192.0.2.1\r\n", 1)
	f("X-Forwarded-For: 192.0.2.1, 192.0.2.2,192.0.2.3\r\n", 3)
	f("X-Forwarded-For: 192.0.2.1\r\nx-forwarded-for: 192.0.2.2, 192.0.2.3\r\n", 3)
	f("X-Forwarded-For: "+strings.Repeat("192.0.2.1, ", 30)+"192.0.2.2\r\n", 31)
}

func TestAppendClient(t *testing.T) {
	f := func(addr string, port bool, want string) {
		t.Helper()
		if got := string(appendClient(nil, netip.MustParseAddrPort(addr), port)); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	f("192.0.2.1:1234", false, "192.0.2.1")
	f("192.0.2.1:1234", true, "192.0.2.1:1234")
	f("[2001:db8::1]:1234", false, "2001:db8::1")
	f("[2001:db8::1]:1234", true, "[2001:db8::1]:1234")
}

func TestAppendHex(t *testing.T) {
	if got := string(appendHex([]byte("x"), 0x0123456789abcdef, 8)); got != "x89abcdef" {
		t.Error(got)
	}
}

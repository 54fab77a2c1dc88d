package desync

import (
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/internal/http1"
	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// TestCases holds every case to its class, its reason and what each mode does
// about it.
func TestCases(t *testing.T) {
	n, seen := 0, map[Reason]bool{}
	for _, g := range groups {
		seen[g.reason] = true
		if g.reason.Tier() != g.tier {
			t.Errorf("%v is of tier %v", g.reason, g.reason.Tier())
		}
		names := map[string]bool{}
		for _, c := range g.cases {
			if n++; names[c.name] {
				t.Errorf("%v has two cases %q", g.reason, c.name)
			}
			names[c.name] = true
			t.Run(g.tier.String()+"/"+g.reason.String()+"/"+c.name, func(t *testing.T) {
				tier, r := Classify([]byte(c.head))
				if tier != g.tier || r != g.reason {
					t.Errorf("%q: %v %v, want %v %v", c.head, tier, r, g.tier, g.reason)
				}
				for m, want := range g.want {
					if a := Decide(tier, Mode(m)); a != want {
						t.Errorf("%q: %v does %v, want %v", c.head, Mode(m), a, want)
					}
				}
			})
		}
	}
	for r := NoReason; r < numReasons; r++ {
		if !seen[r] {
			t.Errorf("no case for %v", r)
		}
	}
	if n < 160 {
		t.Errorf("%d cases, want at least 160", n)
	}
	t.Logf("%d cases", n)
}

// TestClassifyPart judges what had come when a request was refused.
func TestClassifyPart(t *testing.T) {
	f := func(head string, want Reason) {
		t.Helper()
		if tier, r := ClassifyPart([]byte(head)); r != want || tier != want.Tier() {
			t.Errorf("%q: %v, want %v", head, r, want)
		}
	}
	// What is missing may yet come.
	for _, head := range []string{
		"", "GE", "GET", "GET ", "GET /a", "GET /a b HTTP/", "GET / HTTP/1.1", "GET / HTTP/1.1\r", "GET / HTTP/1.1\r\n",
		"GET / HTTP/1.1\r\nHost", "GET / HTTP/1.1\r\nHost: h", "GET / HTTP/1.1\r\nHost: h\r", "GET / HTTP/1.1\r\nHost: h\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding", "POST / HTTP/1.1\r\nTransfer-Encoding: chun",
		"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5",
	} {
		f(head, NoReason)
	}
	// What is there counts.
	f("G\x00", BadMethod)
	f("GET /\x00", BadUri)
	f("GET /\x01", AmbiguousUri)
	f("GET HTTP/1.1\r\n", MissingUri)
	f("GET / HTTP/1.1\n", NonCrLfLineTermination)
	f("GET / HTTP/1.7\r\nX", NonCompliantVersion)
	f("GET / HTTP/1.1\r\nX y: z", NonCompliantHeader)
	f("GET / HTTP/1.1\r\nX: y\x00", BadHeader)
	f("GET / HTTP/1.1\r\nX\x00", BadHeader)
	f("GET / HTTP/1.1\r\n: x\r\n", EmptyHeader)
	f("GET / HTTP/1.1\r\nx\r\n", MissingHeaderColon)
	f("GET / HTTP/1.1\r\nX: y\r\n z\r\n", MultilineHeader)
	f("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\nX", MultipleContentLength)
	// A whole head is judged as one.
	for _, g := range groups {
		for _, c := range g.cases {
			if strings.Contains(c.head, "\n\r\n") || strings.Contains(c.head, "\n\n") {
				f(c.head, g.reason)
			}
		}
	}
}

// TestKnownNames: of the names that httpmsg knows, only the two themselves are
// near to them, which ClassifyHead relies on.
func TestKnownNames(t *testing.T) {
	for id := httpmsg.OtherField + 1; id < httpmsg.NumFieldIDs; id++ {
		te, like := framing([]byte(id.String()))
		want := distant
		if id == httpmsg.FieldTransferEncoding || id == httpmsg.FieldContentLength {
			want = exact
		}
		if like != want || te != (id == httpmsg.FieldTransferEncoding) {
			t.Errorf("%v: %v, Transfer-Encoding %v", id, like, te)
		}
	}
}

func TestModes(t *testing.T) {
	for m, name := range ModeNames() {
		if Mode(m).String() != name {
			t.Errorf("mode %d is %v, want %s", m, Mode(m), name)
		}
	}
	for tier := Compliant; tier < NumTiers; tier++ {
		for m := Monitor; m < Strictest; m++ {
			if Decide(tier, m) > Decide(tier, m+1) {
				t.Errorf("%v lets less of %v pass than %v", m, tier, m+1)
			}
		}
	}
}

// TestClassifyHead holds the short way to the long one for every case that the
// parser accepts.
func TestClassifyHead(t *testing.T) {
	accepted := 0
	for _, g := range groups {
		for _, c := range g.cases {
			if agrees(t, []byte(c.head)) {
				accepted++
			}
		}
	}
	if accepted < 40 {
		t.Errorf("the parser accepts only %d cases", accepted)
	}
	t.Logf("the parser accepts %d cases", accepted)
}

var agreeHead httpmsg.Head

// agrees checks ClassifyHead against Classify; false if the parser refuses buf.
func agrees(t *testing.T, buf []byte) bool {
	t.Helper()
	h := &agreeHead
	n, r := http1.ParseRequest(buf, h, nil)
	if n == 0 || r != 0 {
		return false
	}
	at := int(h.Method.Off)
	tier, reason := Classify(buf[at:])
	gotTier, got := ClassifyHead(h)
	if got != reason || gotTier != tier {
		t.Fatalf("%q: ClassifyHead says %v, Classify %v", buf, got, reason)
	}
	return true
}

package httpmsg

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// headOf makes a head of "Name: value" lines as a codec would.
func headOf(t *testing.T, lines ...string) *Head {
	t.Helper()
	h := new(Head)
	buf := []byte("GET / HTTP/1.1\r\n")
	h.Reset(nil)
	for _, l := range lines {
		name, value, ok := strings.Cut(l, ": ")
		if !ok {
			t.Fatalf("line %q has no colon", l)
		}
		f := h.Extend(Identify([]byte(name)))
		off := uint32(len(buf))
		*f = Field{
			Name:  Span{off, uint32(len(name))},
			Value: Span{off + uint32(len(name)) + 2, uint32(len(value))},
			End:   off + uint32(len(l)) + 2,
			ID:    Identify([]byte(name)),
		}
		buf = append(buf, l...)
		buf = append(buf, '\r', '\n')
	}
	h.Buf = append(buf, '\r', '\n')
	return h
}

func TestAppendKept(t *testing.T) {
	lines := []string{"A: 1", "Bb: 22", "Ccc: 333", "D: 4"}
	for drop := range 1 << len(lines) {
		h := headOf(t, lines...)
		want, runs, kept := "", 0, false
		for i, l := range lines {
			if drop>>i&1 == 1 {
				h.Fields[i].Drop = true
				kept = false
				continue
			}
			want += l + "\r\n"
			if !kept {
				runs++
			}
			kept = true
		}
		got := h.AppendKept([][]byte{[]byte("start|")})
		if s := string(bytes.Join(got, nil)); s != "start|"+want {
			t.Errorf("drop %04b: %q, want %q", drop, s, want)
		}
		if len(got) != runs+1 {
			t.Errorf("drop %04b: %d runs, want %d", drop, len(got)-1, runs)
		}
	}
}

func TestAppendKeptNothing(t *testing.T) {
	h := headOf(t)
	if got := h.AppendKept(nil); len(got) != 0 {
		t.Errorf("a head without fields gives %q", got)
	}
}

func TestLookup(t *testing.T) {
	h := headOf(t, "X-One: a", "Cookie: c1", "x-ONE: b", "Cookie: c2", "Host: h")
	if v, ok := h.Get(FieldCookie); !ok || string(v) != "c1" {
		t.Errorf("Get(Cookie) = %q, %v: want the first", v, ok)
	}
	if v, ok := h.Get(FieldDate); ok {
		t.Errorf("Get(Date) = %q, want none", v)
	}
	if h.First(FieldHost) != 4 || h.First(FieldDate) != -1 || !h.Has(FieldHost) || h.Has(FieldDate) {
		t.Error("First or Has is wrong")
	}
	var got []string
	for v, i := h.Next(FieldCookie, 0); i >= 0; v, i = h.Next(FieldCookie, i) {
		got = append(got, string(v))
	}
	for v, i := h.NextNamed("x-one", 0); i >= 0; v, i = h.NextNamed("x-one", i) {
		got = append(got, string(v))
	}
	for v, i := h.NextNamed("cookie", 0); i >= 0; v, i = h.NextNamed("cookie", i) {
		got = append(got, string(v))
	}
	if s := fmt.Sprint(got); s != "[c1 c2 a b c1 c2]" {
		t.Errorf("iterated %s", s)
	}
	if _, i := h.NextNamed("x-two", 0); i != -1 {
		t.Error("found a field that is not there")
	}
	h.DropAll(FieldCookie)
	h.DropAll(FieldDate)
	if s := string(bytes.Join(h.AppendKept(nil), nil)); s != "X-One: a\r\nx-ONE: b\r\nHost: h\r\n" {
		t.Errorf("kept %q", s)
	}
}

func TestBytesCannotGrowIntoBuf(t *testing.T) {
	h := headOf(t, "A: 1")
	v, _ := h.NextNamed("a", 0)
	_ = append(v, "overwrite"...)
	if !bytes.HasSuffix(h.Buf, []byte("A: 1\r\n\r\n")) {
		t.Error("appending to a value wrote into the buffer")
	}
}

func TestExtendStopsAtMaxFields(t *testing.T) {
	var h Head
	for round := range 2 {
		h.Reset(nil)
		for i := range MaxFields {
			if h.Extend(OtherField) == nil {
				t.Fatalf("round %d: no field %d", round, i)
			}
		}
		if h.Extend(FieldHost) != nil || h.Has(FieldHost) {
			t.Fatal("a field beyond MaxFields")
		}
	}
}

func TestResetForgets(t *testing.T) {
	h := headOf(t, "Host: h", "Connection: close")
	h.Close, h.Upgrade, h.RewriteHost, h.RewriteLength, h.ContentLength = true, true, true, true, 5
	h.Reset(nil)
	if len(h.Fields) != 0 || h.Has(FieldHost) || h.Close || h.Upgrade || h.RewriteHost || h.RewriteLength || h.ContentLength != -1 {
		t.Errorf("Reset left something: %+v", h.Fields)
	}
}

func TestMethod(t *testing.T) {
	f := func(name string, want Method, safe, idempotent bool) {
		t.Helper()
		m := LookupMethod([]byte(name))
		if m != want || m.Safe() != safe || m.Idempotent() != idempotent {
			t.Errorf("%s: %d safe %v idempotent %v", name, m, m.Safe(), m.Idempotent())
		}
		if want != MethodOther && m.String() != name {
			t.Errorf("%s: String is %q", name, m.String())
		}
	}
	f("GET", MethodGet, true, true)
	f("HEAD", MethodHead, true, true)
	f("OPTIONS", MethodOptions, true, true)
	f("TRACE", MethodTrace, true, true)
	f("PUT", MethodPut, false, true)
	f("DELETE", MethodDelete, false, true)
	f("POST", MethodPost, false, false)
	f("PATCH", MethodPatch, false, false)
	f("CONNECT", MethodConnect, false, false)
	f("get", MethodOther, false, false)
	f("PROPFIND", MethodOther, false, false)
	f("", MethodOther, false, false)
}

func TestHeadAllocs(t *testing.T) {
	h := headOf(t, "X-One: a", "Cookie: c1", "Connection: x", "Host: h")
	h.Fields[2].Drop = true
	dst := make([][]byte, 0, 8)
	if n := testing.AllocsPerRun(100, func() {
		dst = h.AppendKept(dst[:0])
		h.Get(FieldHost)
		h.NextNamed("x-two", 0)
	}); n != 0 {
		t.Errorf("%v allocs, want 0", n)
	}
}

// TestInvalidNames hides fields whose names are not plain: no look-up finds them,
// and the others stay what they were.
func TestInvalidNames(t *testing.T) {
	lines := []string{"A: 1", "X_Y: 2", "Host: h", "X.Y: 3", "~: 4", "Z-9: 5"}
	h := headOf(t, lines...)
	if !h.HasInvalidName() {
		t.Error("no invalid name before")
	}
	if n := h.HideInvalidNames(); n != 3 || h.HasInvalidName() {
		t.Errorf("%d hidden", n)
	}
	if got := string(bytes.Join(h.AppendKept(nil), nil)); got != "A: 1\r\nHost: h\r\nZ-9: 5\r\n" {
		t.Errorf("kept %q", got)
	}
	for _, name := range []string{"x_y", "x.y", "~", ""} {
		if v, i := h.NextNamed(name, 0); i >= 0 && name != "" {
			t.Errorf("%q is found: %q", name, v)
		}
	}
	if v, i := h.NextNamed("z-9", 0); i < 0 || string(v) != "5" {
		t.Errorf("z-9: %q, %d", v, i)
	}
	if n := h.HideInvalidNames(); n != 3 {
		t.Errorf("%d hidden the second time", n)
	}
	for id := OtherField + 1; id < NumFieldIDs; id++ {
		if !PlainName([]byte(id.String())) {
			t.Errorf("%v is not plain", id)
		}
	}
	for c := range 256 {
		b := byte(c)
		want := b == '-' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
		for at := range 17 { // alone, in whole words and behind them
			name := bytes.Repeat([]byte("Z-a"), 6)[:at+1]
			name[at/2] = b
			if PlainName(name) != want {
				t.Errorf("%q: plain %v", name, !want)
			}
		}
	}
}

func BenchmarkHasInvalidName(b *testing.B) {
	t := new(testing.T)
	h := headOf(t, "Host: h", "Upgrade-Insecure-Requests: 1", "Sec-Ch-Ua: x", "Sec-Ch-Ua-Mobile: ?0", "Sec-Ch-Ua-Platform: x", "Priority: u=0")
	for b.Loop() {
		if h.HasInvalidName() {
			b.Fatal()
		}
	}
}

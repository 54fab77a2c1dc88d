package httpmsg

import (
	"bytes"
	"strings"
	"testing"
)

func TestIdentifyKnowsEveryName(t *testing.T) {
	for id := OtherField + 1; id < NumFieldIDs; id++ {
		name := id.String()
		if len(name) < minName || len(name) > maxName {
			t.Fatalf("%q is %d bytes long; words holds %d to %d", name, len(name), minName, maxName)
		}
		for _, s := range []string{name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]} {
			if got := Identify([]byte(s)); got != id {
				t.Errorf("Identify(%q) = %d, want %d", s, got, id)
			}
		}
	}
}

// A byte that differs from the right one only in bit 5 must not pass unless both are
// letters: "Content\rLength" is not Content-Length.
func TestIdentifyFoldsLettersOnly(t *testing.T) {
	for id := OtherField + 1; id < NumFieldIDs; id++ {
		name := []byte(id.String())
		for i := range name {
			for c := range 256 {
				bad := bytes.Clone(name)
				bad[i] = byte(c)
				want := byName(bad)
				if got := Identify(bad); got != want {
					t.Fatalf("Identify(%q) = %d, want %d", bad, got, want)
				}
			}
		}
	}
}

// byName is Identify by comparing with every name.
func byName(name []byte) FieldID {
	for id := OtherField + 1; id < NumFieldIDs; id++ {
		if EqualFold(name, id.String()) {
			return id
		}
	}
	return OtherField
}

func FuzzIdentify(f *testing.F) {
	for id := OtherField; id < NumFieldIDs; id++ {
		f.Add([]byte(id.String()))
	}
	f.Add([]byte("x-"))
	f.Add([]byte("sec-websocket-extensionsx"))
	f.Fuzz(func(t *testing.T, name []byte) {
		if got, want := Identify(name), byName(name); got != want {
			t.Fatalf("Identify(%q) = %d, want %d", name, got, want)
		}
	})
}

func TestEqualFold(t *testing.T) {
	f := func(b, lower string, want bool) {
		t.Helper()
		if got := EqualFold([]byte(b), lower); got != want {
			t.Errorf("EqualFold(%q, %q) = %v", b, lower, got)
		}
	}
	f("", "", true)
	f("CHUNKED", "chunked", true)
	f("chunke", "chunked", false)
	f("a\rb", "a-b", false)
	f("@", "`", false) // differ in bit 5 only
	f("[", "{", false)
	f("\u212aeep-alive", "keep-alive", false) // KELVIN SIGN folds to k in Unicode
}

func TestFieldMeaning(t *testing.T) {
	f := func(name string, hopByHop, isProtected, forbidden bool) {
		t.Helper()
		id := Identify([]byte(name))
		if got := id.HopByHop(); got != hopByHop {
			t.Errorf("%s: HopByHop = %v", name, got)
		}
		if got := Protected(id, []byte(name)); got != isProtected {
			t.Errorf("%s: Protected = %v", name, got)
		}
		if got := TrailerForbidden(id, []byte(name)); got != forbidden {
			t.Errorf("%s: TrailerForbidden = %v", name, got)
		}
	}
	f("Connection", true, false, true)
	f("Keep-Alive", true, false, true)
	f("Proxy-Connection", true, false, true)
	f("TE", true, false, true)
	f("Transfer-Encoding", true, true, true)
	f("Upgrade", true, false, true)
	f("HTTP2-Settings", true, false, true)
	f("Trailer", false, false, true)
	f("Host", false, true, true)
	f("Content-Length", false, true, true)
	f("Authorization", false, true, true)
	f("Cookie", false, true, true)
	f("X-Forwarded-For", false, true, true)
	f("X-Forwarded-Whatever", false, true, true)
	f("x-amzn-oidc-identity", false, true, true)
	f("X-Amz-Cf-Id", false, true, true)
	f("X-Amznx", false, false, false)
	f("X-Custom", false, false, false)
	f("ETag", false, true, false)
	f("Proxy-Authorization", false, false, true)
}

func TestIdentifyAllocs(t *testing.T) {
	name := []byte("Sec-WebSocket-Extensions")
	if n := testing.AllocsPerRun(100, func() { Identify(name) }); n != 0 {
		t.Errorf("Identify: %v allocs per call, want 0", n)
	}
}

func BenchmarkIdentify(b *testing.B) {
	name := []byte("Accept-Encoding")
	for b.Loop() {
		if Identify(name) != FieldAcceptEncoding {
			b.Fatal()
		}
	}
}

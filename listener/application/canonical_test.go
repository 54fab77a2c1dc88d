package application

import (
	"bytes"
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/internal/http1"
	"github.com/elbow-lb/elbow/internal/netio"
)

func TestCanonicalPath(t *testing.T) {
	f := func(path, want string) {
		t.Helper()
		before := path
		if got := canonicalPath(nil, []byte(path)); string(got) != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		if path != before {
			t.Errorf("%s was changed", before)
		}
	}
	same := func(path string) { t.Helper(); f(path, path) }

	same("/")
	same("/a/b.c/d..e/f-_~!$&'()*+,=:@")
	same("/a.b")
	same("/a..")
	same("/...")
	same("/.a")
	same("/..a/b")

	f("//", "/")
	f("///a////b//", "/a/b/")
	f("/.", "/")
	f("/..", "/")
	f("/./", "/")
	f("/../", "/")
	f("/../../a", "/a")
	f("/a/.", "/a/")
	f("/a/./b", "/a/b")
	f("/a/..", "/")
	f("/a/../", "/")
	f("/a/b/..", "/a/")
	f("/a/b/../c", "/a/c")
	f("/a/b/../../../c", "/c")
	f("/a//../b", "/b") // slashes are merged first
	f("/a/b/c/./../../g", "/a/g")

	f("/%61dmin", "/admin")
	f("/%61%64%6d%69%6E", "/admin")
	f("/x/%2e%2E/admin", "/admin")
	f("/x/.%2e/admin", "/admin")
	f("/x%2fadmin", "/x/admin")
	f("/x%2F..%2Fadmin", "/admin")
	f("/%2fadmin", "/admin")
	f(`/x\admin`, "/x/admin")
	f(`/x/..\admin`, "/admin")
	f("/x/..%5cadmin", "/admin")
	f("/a%3fb%23c", "/a?b#c")

	// Not printable, or not ASCII: as it is.
	same("/a%20b")
	f("/a%00b%0d%0a%7f", "/a%00b%0D%0A%7F")
	f("/caf%C3%A9%e4", "/caf%C3%A9%E4")
	// Overlong forms of '.' and '/' are not those characters.
	f("/%c0%ae%c0%ae/%c0%af", "/%C0%AE%C0%AE/%C0%AF")

	// Parameters belong to no segment; an encoded ';' begins none.
	f("/a;b", "/a")
	f("/a;b=1;c/d;e/", "/a/d/")
	f("/;a", "/")
	f("/a/..;b/c", "/c")
	f("/a;%2fb/c", "/a/c")
	f("/a%3bb", "/a%3Bb")

	// Decoded once.
	same("/%25")
	same("/%252e%252e/admin")
	same("/%2541")
	// What encodes nothing is a '%'.
	f("/%", "/%25")
	f("/%4", "/%254")
	f("/%zz", "/%25zz")
	f("/100%/x", "/100%25/x")
	f("/%%34%31", "/%2541")
	f("/%4%31", "/%2541")
}

// FuzzCanonicalPath holds the canonical form to what rules rely on.
func FuzzCanonicalPath(f *testing.F) {
	for _, s := range []string{"", "a/../b", "%2e%2e/x", "%252e", "%%34%31", `\..\x`, "a//b/./c/..", "%", "%2f%2F", "./.../..", "%c0%ae", "a;b/..;/c", "%3b%253b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		path := []byte("/" + s)
		before := bytes.Clone(path)
		got := canonicalPath(make([]byte, 0, 16), path)
		if !bytes.Equal(path, before) {
			t.Fatalf("%q was changed to %q", before, path)
		}
		if again := canonicalPath(nil, bytes.Clone(got)); !bytes.Equal(again, got) {
			t.Fatalf("%q: %q, and of that %q", path, got, again)
		}
		if len(got) == 0 || got[0] != '/' {
			t.Fatalf("%q: %q does not begin with a slash", path, got)
		}
		if bytes.Contains(got, []byte("//")) || bytes.ContainsRune(got, '\\') {
			t.Fatalf("%q: %q", path, got)
		}
		for seg := range strings.SplitSeq(string(got[1:]), "/") {
			if seg == "." || seg == ".." {
				t.Fatalf("%q: %q has a dot segment", path, got)
			}
		}
	})
}

func TestCanonicalPathAllocations(t *testing.T) {
	var scratch [512]byte
	for _, path := range []string{"/a/b/c", "/%61/../b//c"} {
		p := []byte(path)
		if n := testing.AllocsPerRun(100, func() { canonicalPath(scratch[:0], p) }); n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}

// TestLargestHead: readHead relies on it.
func TestLargestHead(t *testing.T) {
	if http1.DefaultLimits.Head > netio.BufSize {
		t.Errorf("a head may have %d bytes, the buffer %d", http1.DefaultLimits.Head, netio.BufSize)
	}
}

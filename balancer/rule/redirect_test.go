package rule

import (
	"bytes"
	"net/url"
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/config"
)

func TestAppendLocation(t *testing.T) {
	base := RedirectInput{
		Protocol: []byte("http"), Host: []byte("www.example.com"), Port: []byte("80"),
		Path: []byte("/a/b"), Query: []byte("x=1&y"),
	}
	defaults := config.RedirectAction{
		Protocol: "#{protocol}", Host: "#{host}", Port: "#{port}", Path: "/#{path}", Query: "#{query}", StatusCode: 301,
	}
	f := func(name string, edit func(*config.RedirectAction, *RedirectInput), want string) {
		t.Helper()
		a, in := defaults, base
		edit(&a, &in)
		if got := string(CompileRedirect(&a).AppendLocation([]byte("Location: "), &in)); got != "Location: "+want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	f("all defaults", func(a *config.RedirectAction, in *RedirectInput) {}, "http://www.example.com:80/a/b?x=1&y")
	f("empty fields are the defaults", func(a *config.RedirectAction, in *RedirectInput) {
		*a = config.RedirectAction{StatusCode: 302, Query: "#{query}"}
	}, "http://www.example.com:80/a/b?x=1&y")
	f("but an empty query is none", func(a *config.RedirectAction, in *RedirectInput) {
		a.Query = ""
	}, "http://www.example.com:80/a/b")
	f("to HTTPS, the port is spelt out", func(a *config.RedirectAction, in *RedirectInput) {
		a.Protocol, a.Port = "HTTPS", "443"
	}, "https://www.example.com:443/a/b?x=1&y")
	f("another host keeps the rest", func(a *config.RedirectAction, in *RedirectInput) {
		a.Host = "new.#{host}"
	}, "http://new.www.example.com:80/a/b?x=1&y")
	f("no query, no question mark", func(a *config.RedirectAction, in *RedirectInput) {
		in.Query = nil
	}, "http://www.example.com:80/a/b")
	f("path and query of placeholders", func(a *config.RedirectAction, in *RedirectInput) {
		a.Path = "/#{host}/#{port}/#{path}/end"
		a.Query = "p=#{protocol}&h=#{host}&port=#{port}&path=#{path}&#{query}"
	}, "http://www.example.com:80/www.example.com/80/a/b/end?p=http&h=www.example.com&port=80&path=a/b&x=1&y")
	f("the root path", func(a *config.RedirectAction, in *RedirectInput) {
		in.Path = []byte("/")
		in.Query = nil
	}, "http://www.example.com:80/")
	f("unknown placeholders are text", func(a *config.RedirectAction, in *RedirectInput) {
		a.Path = "/#{nope}/#{path"
		in.Query = nil
	}, "http://www.example.com:80/%23%7Bnope%7D/%23%7Bpath")
	f("an IPv6 host", func(a *config.RedirectAction, in *RedirectInput) {
		in.Host = []byte("[2001:db8::1]")
	}, "http://[2001:db8::1]:80/a/b?x=1&y")
	f("no CR or LF gets through", func(a *config.RedirectAction, in *RedirectInput) {
		in.Host, in.Path, in.Query = []byte("h\r\n"), []byte("/a\r\nSet-Cookie: x"), []byte("q\n")
	}, "http://h%0D%0A:80/a%0D%0ASet-Cookie:%20x?q%0A")
	f("a host cannot end the authority", func(a *config.RedirectAction, in *RedirectInput) {
		in.Host = []byte(`good@evil/\?#`)
	}, "http://good%40evil%2F%5C%3F%23:80/a/b?x=1&y")
	f("percent-encoding is kept", func(a *config.RedirectAction, in *RedirectInput) {
		in.Path, in.Query = []byte("/%2e%2F%zz"), []byte("a%20b")
	}, "http://www.example.com:80/%2e%2F%zz?a%20b")
	f("a second slash stays in the path", func(a *config.RedirectAction, in *RedirectInput) {
		in.Path = []byte("//evil.example")
	}, "http://www.example.com:80//evil.example?x=1&y")
	f("a path without slash gets one", func(a *config.RedirectAction, in *RedirectInput) {
		a.Path = "x"
	}, "http://www.example.com:80/x?x=1&y")
}

func TestAppendLocationLimit(t *testing.T) {
	a := config.RedirectAction{Query: strings.Repeat("#{query}", 16)}
	in := RedirectInput{Protocol: []byte("http"), Host: []byte("h"), Port: []byte("80"), Path: []byte("/"), Query: bytes.Repeat([]byte("\xff"), 16<<10)}
	got := CompileRedirect(&a).AppendLocation(nil, &in)
	if len(got) <= MaxLocation || len(got) > MaxLocation+64 {
		t.Errorf("%d bytes, want a little more than %d", len(got), MaxLocation)
	}
}

func TestAppendLocationAllocs(t *testing.T) {
	r := CompileRedirect(&config.RedirectAction{Protocol: "HTTPS", Port: "443", Query: "#{query}"})
	buf := make([]byte, 0, 256)
	host, path, query := []byte("www.example.com"), []byte("/a/b"), []byte("x=1")
	if n := testing.AllocsPerRun(100, func() {
		in := RedirectInput{Protocol: []byte("http"), Host: host, Port: []byte("80"), Path: path, Query: query}
		buf = r.AppendLocation(buf[:0], &in)
	}); n != 0 {
		t.Errorf("AppendLocation: %v allocs per call, want 0", n)
	}
}

func FuzzAppendLocation(f *testing.F) {
	f.Add("#{host}", "/#{path}", "#{query}", []byte("h"), []byte("/p"), []byte("q"))
	f.Add("x#{host}", "/#{host}#{", "#{path}#{port}", []byte("a\r\nb"), []byte("\r\n"), []byte("%\x00?"))
	f.Fuzz(func(t *testing.T, host, path, query string, inHost, inPath, inQuery []byte) {
		r := CompileRedirect(&config.RedirectAction{Protocol: "HTTPS", Host: host, Port: "#{port}", Path: path, Query: query})
		in := RedirectInput{Protocol: []byte("http"), Host: inHost, Port: []byte("8080"), Path: inPath, Query: inQuery}
		got := r.AppendLocation(nil, &in)
		for _, c := range got {
			if c <= ' ' || c >= 0x7f {
				t.Fatalf("byte %q in %q", c, got)
			}
		}
		rest, ok := strings.CutPrefix(string(got), "https://")
		if !ok || len(got) > MaxLocation {
			return
		}
		authority, _, _ := strings.Cut(rest, "/")
		if !strings.HasSuffix(authority, ":8080") {
			t.Fatalf("authority %q in %q", authority, got)
		}
		if u, err := url.Parse(string(got)); err == nil && u.Fragment != "" {
			t.Fatalf("fragment in %q", got)
		}
	})
}

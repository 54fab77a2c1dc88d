package http1

import (
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

func TestIsOriginForm(t *testing.T) {
	for target, want := range map[string]bool{
		"": false, "*": false, "a": false, "?a": false, "http://x/": false,
		"/": true, "//": true, "/a?b?c": true, "/a/b%zz": true, "/?": true, "/[]{}|^": true,
		"/ ": false, "/a?b c": false, "/a#b": false, "/?#": false, "/a\r\n": false, "/\x00": false, "/é": false, "/a?\x7f": false,
		"/" + strings.Repeat("a", 100) + "?" + strings.Repeat("b", 100) + "\n": false,
	} {
		if got := IsOriginForm([]byte(target)); got != want {
			t.Errorf("%q: %t, want %t", target, got, want)
		}
	}
}

func TestIsHost(t *testing.T) {
	for host, want := range map[string]bool{
		"": false, "a b": false, "a/b": false, "a,b": false, "u@a": false, "a:x": false, "a:99999": false, "a\r\nb": false, "[::1": false,
		"a": true, "a.example:80": true, "[::1]:80": true, "192.0.2.1": true, "a:": true,
	} {
		if got := IsHost([]byte(host)); got != want {
			t.Errorf("%q: %t, want %t", host, got, want)
		}
	}
}

// FuzzParts: what the two let pass, a request may have.
func FuzzParts(f *testing.F) {
	f.Add("/a?b", "a.example:80")
	f.Add("/a b", "a b")
	f.Fuzz(func(t *testing.T, target, host string) {
		var h httpmsg.Head
		n, _ := ParseRequest([]byte("GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n"), &h, &Limits{1 << 20, 1 << 20, 1 << 20, 1 << 20})
		if IsOriginForm([]byte(target)) && IsHost([]byte(host)) {
			if n == 0 || string(h.Bytes(h.Target)) != target || string(h.Bytes(h.Host)) != host {
				t.Errorf("%q on %q is no request", target, host)
			}
		}
	})
}

package main

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestDemo takes the demo's tour as its output says.
func TestDemo(t *testing.T) {
	p, url := startDemo(t)
	get := func(url string) (*http.Response, string) {
		t.Helper()
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request(t, "GET", url))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp, string(body)
	}
	first := func(path string) string {
		t.Helper()
		_, body := get(url + path)
		line, _, _ := strings.Cut(body, "\n")
		return line
	}

	socket := between(t, p, `status --socket (\S+)`)
	eventually(t, "every target is healthy", func() bool {
		out := elbow(t, "status", "--socket", socket).stdout.String()
		return strings.Count(out, "2 of 2 targets healthy")+strings.Count(out, "1 of 1 target healthy") == 3
	})

	// Round robin.
	seen := map[string]int{}
	for range 8 {
		seen[first("/")]++
	}
	if seen["web-1 in zone a"] != 4 || seen["web-2 in zone b"] != 4 {
		t.Errorf("round robin: %v", seen)
	}
	// What a target sees.
	if _, body := get(url + "/x?y"); !strings.Contains(body, "GET /x?y HTTP/1.1\n") || !strings.Contains(body, "\nX-Forwarded-For: 127.0.0.1\n") {
		t.Errorf("a target saw %s", body)
	}
	// A rule, a canary, a redirect, a fixed response.
	if got := first("/api/users"); got != "api-1 in zone a" {
		t.Errorf("/api/users went to %q", got)
	}
	eventually(t, "the canary gets a request", func() bool { return first("/shop/") == "canary-1 in zone b" })
	eventually(t, "and web as well", func() bool { return strings.HasPrefix(first("/shop/"), "web-") })
	if resp, _ := get(url + "/old"); resp.StatusCode != 301 || resp.Header.Get("Location") != url+"/new" {
		t.Errorf("/old: %d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
	if resp, body := get(url + "/teapot"); resp.StatusCode != 418 || body != "I am a teapot.\n" {
		t.Errorf("/teapot: %d %q", resp.StatusCode, body)
	}
	// The commands that the tour shows.
	elbow(t, "status", "--socket", socket).want(exitOK, "target group canary", "")
	elbow(t, "validate", "--config", between(t, p, `validate --config (\S+)`)).want(exitOK, "4 rules", "")
	eventually(t, "the access log is on stdout", func() bool { return strings.Contains(p.stdout.String(), "\nhttp 2") })

	p.signal(syscall.SIGINT)
	p.want(exitOK, "", "drained")
	if ln, err := net.Listen("tcp", strings.TrimPrefix(url, "http://")); err != nil {
		t.Errorf("the port is still taken: %v", err)
	} else {
		ln.Close()
	}
}

// TestDemoTargetFails takes the part of the tour that has to wait for health
// checks.
func TestDemoTargetFails(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for two health checks, 5 s each")
	}
	p, url := startDemo(t)
	fail := between(t, p, `-X POST (\S+/fail)`)
	post := func(url string) {
		t.Helper()
		resp, err := http.DefaultTransport.RoundTrip(request(t, "POST", url))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	status := func() string {
		return elbow(t, "status", "--socket", between(t, p, `status --socket (\S+)`)).stdout.String()
	}
	post(fail)
	eventually(t, "web-2 is out of service", func() bool {
		return strings.Contains(status(), "Health checks failed with these codes: [500]")
	})
	for range 4 {
		resp, err := http.DefaultTransport.RoundTrip(request(t, "GET", url+"/"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !strings.HasPrefix(string(body), "web-1 ") {
			t.Errorf("an unhealthy target answered: %s", body)
		}
	}
	post(strings.TrimSuffix(fail, "/fail") + "/recover")
	resp, err := http.DefaultTransport.RoundTrip(request(t, "GET", strings.TrimSuffix(fail, "fail")))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("web-2 has not recovered: %d", resp.StatusCode)
	}
}

// TestDemoPortTaken checks that the demo works beside something on its port.
func TestDemoPortTaken(t *testing.T) {
	if ln, err := net.Listen("tcp", "127.0.0.1:8080"); err == nil {
		defer ln.Close()
	} // else somebody else has it, which is as good
	p := start(t, nil, "demo", "--access-log=false")
	eventually(t, "the tour is printed", func() bool { return strings.Contains(p.stdout.String(), "Ctrl-C") })
	p.signal(syscall.SIGTERM)
	p.want(exitOK, "Port 8080 is taken", "drained")
}

// startDemo starts the demo on a free port and returns its URL.
func startDemo(t *testing.T) (*process, string) {
	t.Helper()
	p := start(t, nil, "demo")
	eventually(t, "the tour is printed", func() bool { return strings.Contains(p.stdout.String(), "Ctrl-C") })
	return p, between(t, p, `Elbow listens on (http://\S+) `)
}

// between returns what the group of a pattern matches in the tour.
func between(t *testing.T, p *process, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(p.stdout.String())
	if m == nil {
		t.Fatalf("the tour has no %s:\n%s", pattern, &p.stdout)
	}
	return m[1]
}

func request(t *testing.T, method, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

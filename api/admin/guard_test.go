package admin

import (
	"strings"
	"testing"
)

func TestLoopbackHost(t *testing.T) {
	f := func(host string, want bool) {
		t.Helper()
		if got := loopbackHost(host); got != want {
			t.Errorf("loopbackHost(%q) = %v, want %v", host, got, want)
		}
	}
	f("localhost", true)
	f("LocalHost:9000", true)
	f("localhost.", true)
	f("127.0.0.1", true)
	f("127.8.9.1:80", true)
	f("[::1]", true)
	f("[::1]:9000", true)
	f("[::ffff:127.0.0.1]:9000", true)

	f("", false)
	f(":9000", false)
	f("elbow", false)
	f("localhost.example.com", false)
	f("127.0.0.1.example.com", false)
	f("127.0.0.1.example.com:9000", false)
	f("0.0.0.0:9000", false) // reaches loopback, and browsers let pages ask it
	f("192.0.2.1:9000", false)
	f("[::1%lo]:9000", false)
	f("localhost@example.com", false)
	f("2130706433", false)
}

// TestGuard sends what a page of somebody else's could make a browser send.
func TestGuard(t *testing.T) {
	c := ready()
	socket, tcp := serve(t, c)
	f := func(method, url string, header map[string]string, code int, reason Reason) {
		t.Helper()
		resp, body := exchange(t, socket, method, url, header)
		if resp.StatusCode != code || !strings.Contains(body, string(reason)) {
			t.Errorf("%s %s %v: %d %s, want %d %s", method, url, header, resp.StatusCode, body, code, reason)
		}
	}
	type h = map[string]string
	url := "http://" + tcp
	f("GET", url+"/status", nil, 200, "")
	f("GET", url+"/status", h{"Host": "localhost"}, 200, "")
	f("GET", url+"/status", h{"Host": "rebound.example"}, 403, ReasonForbiddenHost)
	f("GET", url+"/metrics", h{"Host": "rebound.example:9000"}, 403, ReasonForbiddenHost)
	f("POST", url+"/reload", h{"Host": "rebound.example"}, 403, ReasonForbiddenHost)
	f("GET", "/status", h{"Host": "rebound.example"}, 200, "") // over the socket any name will do

	f("POST", url+"/reload", nil, 200, "") // curl sends neither of the headers
	f("POST", url+"/reload", h{"Origin": "http://evil.example"}, 403, ReasonCrossOrigin)
	f("POST", url+"/reload", h{"Sec-Fetch-Site": "cross-site"}, 403, ReasonCrossOrigin)
	f("POST", url+"/reopen-logs", h{"Origin": "null"}, 403, ReasonCrossOrigin)
	f("POST", url+"/reload", h{"Sec-Fetch-Site": "same-origin", "Origin": url}, 200, "")
	if n := c.reopened.Load(); n != 0 {
		t.Errorf("%d requests that were refused had an effect", n)
	}
}

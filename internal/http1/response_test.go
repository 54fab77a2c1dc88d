package http1

import (
	"fmt"
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

func parseResponse(t *testing.T, s string, h *httpmsg.Head, m httpmsg.Method) (int, Refusal) {
	t.Helper()
	return parseSplit(t, []byte(s), h, func(b []byte) (int, Refusal) { return ParseResponse(b, h, nil, m) })
}

func TestResponseAccepted(t *testing.T) {
	f := func(section string, m httpmsg.Method, in, want, wantKept string) {
		t.Helper()
		var h httpmsg.Head
		n, r := parseResponse(t, in, &h, m)
		if r != 0 || n == 0 || h.Size != n {
			t.Errorf("%s: %q: n %d, %v", section, in, n, r)
			return
		}
		got := fmt.Sprintf("%d %q body=%d/%d", h.Status, h.Bytes(h.Reason), h.Body, h.ContentLength)
		if h.HTTP10 {
			got += " 1.0"
		}
		if h.Close {
			got += " close"
		}
		if h.Upgrade {
			got += " upgrade"
		}
		if h.RewriteLength {
			got += " rewrite-length"
		}
		if got != want {
			t.Errorf("%s: %q:\n got %s\nwant %s", section, in, got, want)
		}
		if k := kept(&h); k != wantKept {
			t.Errorf("%s: %q: kept %q, want %q", section, in, k, wantKept)
		}
	}
	const get, head = httpmsg.MethodGet, httpmsg.MethodHead
	const five = "Content-Length: 5\r\n"

	f("9112 4 status line", get, "HTTP/1.1 200 OK\r\n"+five+"\r\n", `200 "OK" body=1/5`, five)
	f("9112 4 reason of several words", get, "HTTP/1.1 404 Not \tFound\xe9\r\n"+five+"\r\n", "404 \"Not \\tFound\\xe9\" body=1/5", five)
	f("9112 4 empty reason", get, "HTTP/1.1 200 \r\n"+five+"\r\n", `200 "" body=1/5`, five)
	f("9112 4 no second space", get, "HTTP/1.1 200\r\n"+five+"\r\n", `200 "" body=1/5`, five)
	f("9110 15 unknown class", get, "HTTP/1.1 999 Denied\r\n"+five+"\r\n", `999 "Denied" body=1/5`, five)
	f("9112 6.3 until close", get, "HTTP/1.1 200 OK\r\n\r\n", `200 "OK" body=3/-1 close`, "")
	f("9112 6.3 HTTP/1.0 until close", get, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", `200 "OK" body=3/-1 1.0 close`, "")
	f("9112 6.3 chunked", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: a\r\n\r\n", `200 "OK" body=2/-1`, "Trailer: a\r\n")
	f("9112 6.3 zero", get, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", `200 "OK" body=0/0`, "Content-Length: 0\r\n")
	f("9112 6.3 leading zero", get, "HTTP/1.1 200 OK\r\nContent-Length: 05\r\n\r\n", `200 "OK" body=1/5 rewrite-length`, "")
	f("9112 6.3 HEAD with length", head, "HTTP/1.1 200 OK\r\n"+five+"\r\n", `200 "OK" body=0/5`, five)
	f("9112 6.3 HEAD without", head, "HTTP/1.1 200 OK\r\n\r\n", `200 "OK" body=0/-1`, "")
	f("9112 6.3 HEAD chunked", head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", `200 "OK" body=0/-1`, "")
	f("9112 6.3 304 with length", get, "HTTP/1.1 304 Not Modified\r\n"+five+"\r\n", `304 "Not Modified" body=0/5`, five)
	f("9112 6.3 204", get, "HTTP/1.1 204 No Content\r\n\r\n", `204 "No Content" body=0/-1`, "")
	f("9110 8.6 204 with length 0", get, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nA: b\r\n\r\n", `204 "No Content" body=0/0`, "A: b\r\n")
	f("9110 8.6 204 with length", get, "HTTP/1.1 204 No Content\r\nContent-Length:5\r\n\r\n", `204 "No Content" body=0/5 close`, "")
	f("9112 6.1 204 chunked", get, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", `204 "No Content" body=0/-1 close`, "")
	f("9110 15.2 100", get, "HTTP/1.1 100 Continue\r\n\r\n", `100 "Continue" body=0/-1`, "")
	f("9110 15.2.2 101", get, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n", `101 "Switching Protocols" body=0/-1 upgrade`, "Sec-WebSocket-Accept: x\r\n")
	f("9112 9.3 close", get, "HTTP/1.1 200 OK\r\nConnection: close\r\n"+five+"\r\n", `200 "OK" body=1/5 close`, five)
	f("9112 9.3 HTTP/1.0", get, "HTTP/1.0 200 OK\r\n"+five+"\r\n", `200 "OK" body=1/5 1.0 close`, five)
	f("9112 9.3 HTTP/1.0 keep-alive", get, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"+five+"\r\n", `200 "OK" body=1/5 1.0`, five)
	f("9110 7.6.1 listed", get, "HTTP/1.1 200 OK\r\nConnection: x-a, set-cookie, date\r\nX-A: 1\r\nSet-Cookie: a=b\r\nDate: now\r\n"+five+"\r\n", `200 "OK" body=1/5`, "Set-Cookie: a=b\r\nDate: now\r\n"+five)
	f("Host in a response means nothing", get, "HTTP/1.1 200 OK\r\nHost: a b\r\nHost: c\r\n"+five+"\r\n", `200 "OK" body=1/5`, "Host: a b\r\nHost: c\r\n"+five)
}

func TestResponseRefused(t *testing.T) {
	f := func(section string, want Refusal, in string) {
		t.Helper()
		var h httpmsg.Head
		n, r := parseResponse(t, in, &h, httpmsg.MethodGet)
		if r.Reason() != want || n != 0 {
			t.Errorf("%s: %.120q: (%d, %v), want %v", section, in, n, r, want)
		}
		if r.Status() != 502 {
			t.Errorf("%s: %.120q: status %d, want 502", section, in, r.Status())
		}
	}
	ok := func(s string) string { return "HTTP/1.1 200 OK\r\n" + s + "\r\n\r\n" }

	f("9112 4 lower case", BadStatusLine, "http/1.1 200 OK\r\n\r\n")
	f("9112 4 other protocol", BadStatusLine, "ICY 200 OK\r\nA: b\r\n\r\n")
	f("9112 2.2 leading CRLF", BadStatusLine, "\r\nHTTP/1.1 200 OK\r\n\r\n")
	f("9112 2.3 version", UnsupportedVersion, "HTTP/2.0 200 OK\r\n\r\n")
	f("9112 2.3 version 1.2", UnsupportedVersion, "HTTP/1.2 200 OK\r\n\r\n")
	f("9112 4 two spaces", BadStatusLine, "HTTP/1.1  200 OK\r\n\r\n")
	f("9112 4 tab", BadStatusLine, "HTTP/1.1\t200 OK\r\n\r\n")
	f("9112 4 two digits", BadStatusLine, "HTTP/1.1 20 OK\r\n\r\n")
	f("9112 4 four digits", BadStatusLine, "HTTP/1.1 2000 OK\r\n\r\n")
	f("9112 4 sign", BadStatusLine, "HTTP/1.1 +20 OK\r\n\r\n")
	f("9110 15 below 100", BadStatusLine, "HTTP/1.1 099 OK\r\n\r\n")
	f("9112 4 control in reason", BadStatusLine, "HTTP/1.1 200 O\x00K\r\n\r\n")
	f("9112 2.2 bare LF", BadLineEnding, "HTTP/1.1 200 OK\nA: b\r\n\r\n")
	f("9112 2.2 bare LF, no reason", BadLineEnding, "HTTP/1.1 200\nA: b\r\n\r\n")
	f("9112 2.2 bare CR", BadLineEnding, "HTTP/1.1 200 O\rK\r\n\r\n")
	f("9112 5.1 space before colon", BadHeader, ok("A : b"))
	f("9112 5.2 obs-fold", MultilineHeader, ok("A: b\r\n c"))
	f("9110 5.5 NUL in value", BadHeader, ok("A: b\x00"))
	f("9112 6.3 equal lengths", MultipleContentLength, ok("Content-Length: 5\r\nContent-Length: 5"))
	f("9112 6.3 list", BadContentLength, ok("Content-Length: 5, 5"))
	f("9112 6.3 negative", BadContentLength, ok("Content-Length: -1"))
	f("9112 6.3 TE and CL", BothTeClPresent, ok("Content-Length: 5\r\nTransfer-Encoding: chunked"))
	f("9112 6.1 twice", BadTransferEncoding, ok("Transfer-Encoding: chunked, chunked"))
	f("9112 6.1 other", UnsupportedTransferEncoding, ok("Transfer-Encoding: gzip, chunked"))
	f("9112 6.1 identity", UnsupportedTransferEncoding, ok("Transfer-Encoding: identity"))
	f("9112 6.1 HTTP/1.0", UndefinedTransferEncoding, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	f("many options", TooManyConnectionOptions, ok("Connection: "+strings.Repeat("a,", MaxConnectionOptions)))
	f("many fields", TooManyHeaders, ok(strings.Repeat("A: b\r\n", httpmsg.MaxFields)+"A: b"))
}

func TestResponseLimit(t *testing.T) {
	var h httpmsg.Head
	head := func(n int) string {
		s := "HTTP/1.1 200 OK\r\nX: "
		return s + strings.Repeat("a", n-len(s)-len("\r\n\r\n")) + "\r\n\r\n"
	}
	l := DefaultLimits.ResponseHead
	if n, r := parseResponse(t, head(l), &h, httpmsg.MethodGet); n != l || r != 0 {
		t.Errorf("largest head: (%d, %v)", n, r)
	}
	for _, in := range []string{head(l + 1), head(l + 1)[:l], "HTTP/1.1 200 " + strings.Repeat("a", l)} {
		if _, r := parseResponse(t, in, &h, httpmsg.MethodGet); r.Reason() != HeadTooLarge || r.Status() != 502 {
			t.Errorf("%d bytes: %v, want HeadTooLarge", len(in), r)
		}
	}
}

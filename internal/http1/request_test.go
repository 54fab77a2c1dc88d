package http1

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

const okTail = " HTTP/1.1\r\nHost: h\r\n\r\n"

// parseSplit parses buf as it would arrive byte by byte, checks that the answer never
// depended on that, and returns it.
func parseSplit(t *testing.T, buf []byte, h *httpmsg.Head, parse func([]byte) (int, Refusal)) (int, Refusal) {
	t.Helper()
	n, r := parse(buf)
	if n < 0 || n > len(buf) || n > 0 && r != 0 {
		t.Fatalf("%.200q: n %d, refusal %v", buf, n, r)
	}
	step := max(1, len(buf)/500) // long inputs: not at every byte, except near the end
	for i := 0; i < len(buf); i++ {
		if i%step != 0 && i < len(buf)-50 {
			continue
		}
		pn, pr := parse(buf[:i:i])
		switch {
		case pn == 0 && pr == 0:
			if n > 0 && i >= n {
				t.Fatalf("%.200q: complete in %d bytes, but wants more at %d", buf, n, i)
			}
		case pn != n || pr != r:
			t.Fatalf("%.200q: first %d bytes give (%d, %v), all give (%d, %v)", buf, i, pn, pr, n, r)
		}
	}
	return parse(buf)
}

func parseRequest(t *testing.T, s string, h *httpmsg.Head) (int, Refusal) {
	t.Helper()
	return parseSplit(t, []byte(s), h, func(b []byte) (int, Refusal) { return ParseRequest(b, h, nil) })
}

// summary prints what matters of a request head.
func summary(h *httpmsg.Head) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s form=%d path=%s", h.Bytes(h.Method), h.Bytes(h.Target), h.Form, h.Bytes(h.Path))
	if h.HasQuery {
		fmt.Fprintf(&s, " query=%s", h.Bytes(h.Query))
	}
	fmt.Fprintf(&s, " host=%s", h.Bytes(h.Host))
	if h.HTTP10 {
		s.WriteString(" 1.0")
	}
	fmt.Fprintf(&s, " body=%d/%d", h.Body, h.ContentLength)
	for _, f := range []struct {
		on   bool
		word string
	}{{h.Close, "close"}, {h.ExpectContinue, "expect"}, {h.Upgrade, "upgrade"}, {h.RewriteLength, "rewrite-length"}, {h.RewriteHost, "rewrite-host"}} {
		if f.on {
			s.WriteString(" " + f.word)
		}
	}
	return s.String()
}

func kept(h *httpmsg.Head) string { return string(bytes.Join(h.AppendKept(nil), nil)) }

func TestRequestAccepted(t *testing.T) {
	f := func(section, in, want, wantKept string) {
		t.Helper()
		compareNetHTTP(t, []byte(in))
		var h httpmsg.Head
		n, r := parseRequest(t, in, &h)
		if r != 0 || n == 0 {
			t.Errorf("%s: %q: n %d, %v", section, in, n, r)
			return
		}
		if h.Size != n || n != strings.LastIndex(in, "\r\n\r\n")+4 {
			t.Errorf("%s: %q: n %d, Size %d", section, in, n, h.Size)
		}
		if got := summary(&h); got != want {
			t.Errorf("%s: %q:\n got %s\nwant %s", section, in, got, want)
		}
		if got := kept(&h); got != wantKept {
			t.Errorf("%s: %q: kept %q, want %q", section, in, got, wantKept)
		}
	}
	const host = "Host: h\r\n"

	f("9112 2.2 leading CRLF", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET / form=0 path=/ host=h body=0/-1", host)
	f("9112 3 request line", "GET /a?b=c?d HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a?b=c?d form=0 path=/a query=b=c?d host=h body=0/-1", host)
	f("9112 3.1 unknown method", "PROP!FIND / HTTP/1.1\r\nHost: h\r\n\r\n", "PROP!FIND / form=0 path=/ host=h body=0/-1", host)
	f("9112 3.1 one letter", "G / HTTP/1.1\r\nHost: h\r\n\r\n", "G / form=0 path=/ host=h body=0/-1", host)
	f("9112 3.1 POSTS is not POST", "POSTS / HTTP/1.1\r\nHost: h\r\n\r\n", "POSTS / form=0 path=/ host=h body=0/-1", host)
	f("9112 3.2.1 empty query", "GET /? HTTP/1.1\r\nHost: h\r\n\r\n", "GET /? form=0 path=/ query= host=h body=0/-1", host)
	f("9112 3.2.1 raw bytes that clients send", "GET /{a}|\"b\"^`\\[]<> HTTP/1.1\r\nHost: h\r\n\r\n", "GET /{a}|\"b\"^`\\[]<> form=0 path=/{a}|\"b\"^`\\[]<> host=h body=0/-1", host)
	f("9112 3.2.1 double slash", "GET //x/ HTTP/1.1\r\nHost: h\r\n\r\n", "GET //x/ form=0 path=//x/ host=h body=0/-1", host)
	f("9112 3.2.2 absolute", "GET http://h/a?q HTTP/1.1\r\nHost: h\r\n\r\n", "GET http://h/a?q form=1 path=/a query=q host=h body=0/-1", host)
	f("9112 3.2.2 absolute decides", "GET HTTPS://other:81/a HTTP/1.1\r\nHost: h\r\n\r\n", "GET HTTPS://other:81/a form=1 path=/a host=other:81 body=0/-1 rewrite-host", "")
	f("9112 3.2.2 without path", "GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n", "GET http://h?q form=1 path= query=q host=h body=0/-1", host)
	f("9112 3.2.2 slash in the query", "GET http://h?q/r HTTP/1.1\r\nHost: h\r\n\r\n", "GET http://h?q/r form=1 path= query=q/r host=h body=0/-1", host)
	f("9112 3.2.2 1.0 without Host", "GET http://h/ HTTP/1.0\r\n\r\n", "GET http://h/ form=1 path=/ host=h 1.0 body=0/-1 close rewrite-host", "")
	f("9112 3.2.3 CONNECT", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", "CONNECT h:443 form=2 path= host=h body=0/-1", host)
	f("9112 3.2.4 asterisk", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS * form=3 path= host=h body=0/-1", host)
	f("9112 2.3 HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "GET / form=0 path=/ host= 1.0 body=0/-1 close", "")
	f("9112 5 white space around a value", "GET / HTTP/1.1\r\nHost:\t h \t\r\nA:\r\nB: \r\n\r\n", "GET / form=0 path=/ host=h body=0/-1", "Host:\t h \t\r\nA:\r\nB: \r\n")
	f("9110 5.5 obs-text and tab in a value", "GET / HTTP/1.1\r\nHost: h\r\nA: x\xff\x80\ty\r\n\r\n", "GET / form=0 path=/ host=h body=0/-1", "Host: h\r\nA: x\xff\x80\ty\r\n")
	f("9110 5.1 odd names", "GET / HTTP/1.1\r\nHost: h\r\n!#$%&'*+-.^_`|~09: 1\r\n\r\n", "GET / form=0 path=/ host=h body=0/-1", "Host: h\r\n!#$%&'*+-.^_`|~09: 1\r\n")

	f("9112 6.2 length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", "POST / form=0 path=/ host=h body=1/5", host+"Content-Length: 5\r\n")
	f("9112 6.2 zero", "POST / HTTP/1.1\r\nHost: h\r\ncontent-length: 0\r\n\r\n", "POST / form=0 path=/ host=h body=0/0", host+"content-length: 0\r\n")
	f("9112 6.2 leading zeros", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0005\r\n\r\n", "POST / form=0 path=/ host=h body=1/5 rewrite-length", host)
	f("9112 6.2 no space", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:5\r\n\r\n", "POST / form=0 path=/ host=h body=1/5 rewrite-length", host)
	f("9112 6.2 tab", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\t5\r\n\r\n", "POST / form=0 path=/ host=h body=1/5 rewrite-length", host)
	f("9112 6.2 space after", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5 \r\n\r\n", "POST / form=0 path=/ host=h body=1/5 rewrite-length", host)
	f("9112 6.2 largest", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n\r\n", "POST / form=0 path=/ host=h body=1/9223372036854775807", host+"Content-Length: 9223372036854775807\r\n")
	f("9112 6.1 chunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: ChunKed\t\r\n\r\n", "POST / form=0 path=/ host=h body=2/-1", host)

	f("9112 9.3 close", "GET / HTTP/1.1\r\nHost: h\r\nConnection: CLOSE\r\n\r\n", "GET / form=0 path=/ host=h body=0/-1 close", host)
	f("9112 9.3 close wins", "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, close\r\n\r\n", "GET / form=0 path=/ host=h body=0/-1 close", host)
	f("9112 9.3 close in another line", "GET / HTTP/1.1\r\nConnection: keep-alive\r\nHost: h\r\nConnection: ,,close\r\n\r\n", "GET / form=0 path=/ host=h body=0/-1 close", host)
	f("9112 9.3 1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nKeep-Alive: 5\r\n\r\n", "GET / form=0 path=/ host= 1.0 body=0/-1", "")
	f("9112 9.3 1.0 close wins", "GET / HTTP/1.0\r\nConnection: Keep-Alive, close\r\n\r\n", "GET / form=0 path=/ host= 1.0 body=0/-1 close", "")

	f("9110 7.6.1 hop-by-hop", "GET / HTTP/1.1\r\nA: 1\r\nTE: trailers\r\nKeep-Alive: x\r\nProxy-Connection: y\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nTrailer: T\r\nHost: h\r\n\r\n",
		"GET / form=0 path=/ host=h body=0/-1", "A: 1\r\nTrailer: T\r\nHost: h\r\n")
	f("9110 7.6.1 listed fields", "GET / HTTP/1.1\r\nX-a: 1\r\nHost: h\r\nX-B: 2\r\nx-A: 3\r\nConnection: X-A , x-c,\tx-b\r\nX-D: 4\r\n\r\n",
		"GET / form=0 path=/ host=h body=0/-1", "Host: h\r\nX-D: 4\r\n")
	f("9110 7.6.1 protected fields", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nAuthorization: a\r\nCookie: c\r\nX-Forwarded-For: f\r\nX-Forwarded-Foo: g\r\nX-Amzn-Mtls-Clientcert: m\r\nX-Real-IP: r\r\nConnection: host, content-length, authorization, cookie, x-forwarded-for, x-forwarded-foo, x-amzn-mtls-clientcert, x-real-ip\r\n\r\n",
		"POST / form=0 path=/ host=h body=1/1", "Host: h\r\nContent-Length: 1\r\nAuthorization: a\r\nCookie: c\r\nX-Forwarded-For: f\r\nX-Forwarded-Foo: g\r\nX-Amzn-Mtls-Clientcert: m\r\nX-Real-IP: r\r\n")
	f("9110 7.6.1 names alike in bit 5 only", "GET / HTTP/1.1\r\nHost: h\r\nX^: 1\r\nConnection: X~\r\n\r\n", "GET / form=0 path=/ host=h body=0/-1", "Host: h\r\nX^: 1\r\n")
	f("9110 7.8 upgrade", "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", "GET / form=0 path=/ host=h body=0/-1 upgrade", host)
	f("9110 7.8 upgrade without the field", "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\r\n", "GET / form=0 path=/ host=h body=0/-1", host)
	f("9110 7.8 HTTP/1.0 cannot upgrade", "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "GET / form=0 path=/ host= 1.0 body=0/-1 close", "")
	f("9110 10.1.1 expect", "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n", "POST / form=0 path=/ host=h body=1/1 expect", host+"Expect: 100-Continue\r\nContent-Length: 1\r\n")
	f("9110 10.1.1 expect without a body", "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n", "POST / form=0 path=/ host=h body=0/-1", host+"Expect: 100-continue\r\n")
	f("9110 10.1.1 HTTP/1.0 cannot expect", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", "POST / form=0 path=/ host= 1.0 body=1/1 close", "Expect: 100-continue\r\nContent-Length: 1\r\n")
	f("what follows is not looked at", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET / form=0 path=/ host=h body=0/-1", host)
}

func TestRequestRefused(t *testing.T) {
	f := func(section string, want Refusal, in string) {
		t.Helper()
		compareNetHTTP(t, []byte(in))
		var h httpmsg.Head
		if n, r := parseRequest(t, in, &h); r != want || n != 0 {
			t.Errorf("%s: %.120q: (%d, %v), want %v", section, in, n, r, want)
		}
	}
	line := func(s string) string { return "GET / HTTP/1.1\r\nHost: h\r\n" + s + "\r\n\r\n" }
	post := func(s string) string { return "POST / HTTP/1.1\r\nHost: h\r\n" + s + "\r\n\r\n" }

	f("9112 2.2 two empty lines", BadMethod, "\r\n\r\nGET /"+okTail)
	f("9112 2.2 empty line of LF", BadLineEnding, "\nGET /"+okTail)
	f("9112 2.2 CR before the request", BadLineEnding, "\rGET /"+okTail)
	f("9112 2.2 bare LF in request line", BadLineEnding, "GET / HTTP/1.1\nHost: h\r\n\r\n")
	f("9112 2.2 bare LF after target", BadLineEnding, "GET /\nHost: h\r\n\r\n")
	f("9112 2.2 bare LF after method", BadLineEnding, "GET\n/ HTTP/1.1\r\n\r\n")
	f("9112 2.2 bare CR in target", BadLineEnding, "GET /\ra"+okTail)
	f("9112 2.2 bare CR in version", BadLineEnding, "GET / HTTP/1.1\rHost: h\r\n\r\n")
	f("9112 2.2 bare LF after a field", BadLineEnding, line("A: b\nC: d"))
	f("9112 2.2 LF in place of the empty line, with nothing behind it", BadLineEnding, "GET / HTTP/1.1\r\nHost: h\r\n\n")
	f("9112 2.2 bare CR in a value", BadLineEnding, line("A: b\rc"))
	f("9112 2.2 CR CR LF", BadLineEnding, line("A: b\r"))
	f("9112 2.2 bare LF ends the head", BadLineEnding, "GET / HTTP/1.1\r\nHost: h\r\n\nx")
	f("9112 2.2 CR and no LF at the end", BadLineEnding, "GET / HTTP/1.1\r\nHost: h\r\n\rx")
	f("9112 2.2 space before the first field", MultilineHeader, "GET / HTTP/1.1\r\n Host: h\r\n\r\n")

	f("9112 3.1 empty method", BadMethod, " / HTTP/1.1\r\n\r\n")
	f("9112 3.1 byte not of a token", BadMethod, "G@T /"+okTail)
	f("9112 3.1 control", BadMethod, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
	f("9112 3.1 tab after the method", BadMethod, "GET\t/"+okTail)
	f("9112 3.2 empty target", BadUri, "GET  HTTP/1.1\r\nHost: h\r\n\r\n")
	f("9112 3.2 two spaces", BadUri, "GET  /"+okTail)
	f("9112 3.2 space in the target", BadVersion, "GET /a b"+okTail)
	f("9112 3.2 fragment", BadUri, "GET /a#b"+okTail)
	f("9112 3.2 fragment in the query", BadUri, "GET /a?b#c"+okTail)
	f("9112 3.2 NUL", BadUri, "GET /a\x00b"+okTail)
	f("9112 3.2 DEL", BadUri, "GET /aaaaaaaaaaaa\x7fb"+okTail)
	f("9112 3.2 tab", BadUri, "GET /a\tb"+okTail)
	f("9112 3.2 not ASCII", BadUri, "GET /caf\xc3\xa9"+okTail)
	f("9112 3.2 no slash", BadUri, "GET a"+okTail)
	f("9112 3.2.2 other scheme", BadUri, "GET ftp://h/"+okTail)
	f("9112 3.2.2 empty authority", BadUri, "GET http:///"+okTail)
	f("9112 3.2.2 only scheme", BadUri, "GET http://"+okTail)
	f("9112 3.2.2 userinfo", BadUri, "GET http://u:p@h/"+okTail)
	f("9112 3.2.2 port without host", BadUri, "GET http://:80/"+okTail)
	f("9112 3.2.2 Host must be there all the same", MissingHost, "GET http://h/ HTTP/1.1\r\n\r\n")
	f("9112 3.2.2 Host must be valid all the same", BadHost, "GET http://h/ HTTP/1.1\r\nHost: a b\r\n\r\n")
	f("9112 3.2.3 CONNECT without port", BadUri, "CONNECT h"+okTail)
	f("9112 3.2.3 CONNECT with an empty port", BadUri, "CONNECT h:"+okTail)
	f("9112 3.2.3 CONNECT with a path", BadUri, "CONNECT /"+okTail)
	f("9112 3.2.3 authority-form with GET", BadUri, "GET h:80"+okTail)
	f("9112 3.2.4 asterisk with GET", BadUri, "GET *"+okTail)
	f("9112 3.2.4 asterisk and more", BadUri, "OPTIONS */"+okTail)
	f("9112 2.3 no version", BadVersion, "GET /\r\nHost: h\r\n\r\n")
	f("9112 2.3 no version, nothing else yet", BadVersion, "GET /\r\n")
	f("9112 2.3 junk", BadVersion, "GET / HTTQ/1.1\r\nHost: h\r\n\r\n")
	f("9112 2.3 lower case", BadVersion, "GET / http/1.1\r\nHost: h\r\n\r\n")
	f("9112 2.3 space after", BadVersion, "GET / HTTP/1.1 \r\nHost: h\r\n\r\n")
	f("9112 2.3 two digits", BadVersion, "GET / HTTP/1.10\r\nHost: h\r\n\r\n")
	f("9112 2.3 empty", BadVersion, "GET / \r\nHost: h\r\n\r\n")
	f("9110 2.5 0.9", UnsupportedVersion, "GET / HTTP/0.9\r\nHost: h\r\n\r\n")
	f("9110 2.5 1.2", UnsupportedVersion, "GET / HTTP/1.2\r\nHost: h\r\n\r\n")
	f("9110 2.5 2.0", UnsupportedVersion, "GET / HTTP/2.0\r\nHost: h\r\n\r\n")
	f("9110 2.5 3", UnsupportedVersion, "GET / HTTP/3\r\nHost: h\r\n\r\n")

	f("9112 5.1 space before colon", BadHeader, line("A : b"))
	f("9112 5.1 known name, space before colon", BadHeader, line("Content-Length : 5"))
	f("9112 5.1 tab before colon", BadHeader, line("A\t: b"))
	f("9112 5.1 empty name", BadHeader, line(": b"))
	f("9112 5.1 no colon", BadHeader, line("Abcdefghijkl"))
	f("9112 5.1 no colon, next line has", BadHeader, line("Abcdefghijkl\r\nB: c"))
	f("9112 5.1 CR for '-' in a known name", BadLineEnding, line("Content\rLength: 5"))
	f("9112 5.1 control in a name", BadHeader, line("A\x01: b"))
	f("9112 5.1 not ASCII in a name", BadHeader, line("A\xe9: b"))
	f("9112 5.1 parenthesis in a name", BadHeader, line("A(: b"))
	f("9112 5.2 obs-fold", MultilineHeader, line("A: b\r\n c"))
	f("9112 5.2 obs-fold with tab", MultilineHeader, line("A: b\r\n\tc: d"))
	f("9112 5.2 folded Transfer-Encoding", BadTransferEncoding, post("Transfer-Encoding:\r\n chunked"))
	for _, c := range []string{"\x00", "\x01", "\x0b", "\x0c", "\x1f", "\x7f"} {
		f("9110 5.5 control in a value", BadHeader, line("A: b"+c+"c"))
		f("9110 5.5 control deep in a value", BadHeader, line("A: 0123456789abcdef\t0123"+c+"456789abcdef"))
	}

	for _, v := range []string{"", "+5", "-5", "5,5", "5, 5", "0x5", "5 5", "5\t5", "5.0", "5e1", "9223372036854775808", "18446744073709551621", "99999999999999999999999", "\u0665", "5;", "a"} {
		f("9112 6.2 invalid length", BadContentLength, post("Content-Length: "+v))
	}
	f("9112 6.2 equal lengths", MultipleContentLength, post("Content-Length: 5\r\nContent-Length: 5"))
	f("9112 6.2 different lengths", MultipleContentLength, post("Content-Length: 5\r\ncontent-length: 6"))
	f("9112 6.1 TE and CL", BothTeClPresent, post("Transfer-Encoding: chunked\r\nContent-Length: 5"))
	f("9112 6.1 CL and TE", BothTeClPresent, post("Content-Length: 0\r\nTransfer-Encoding: chunked"))
	f("9112 6.1 HTTP/1.0", UndefinedTransferEncoding, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")
	f("9112 6.1 twice", BadTransferEncoding, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"))
	for _, v := range []string{"", ",", "chunked,", ",chunked", "chunked, chunked", "chunked, gzip", "chunked, gzip, chunked", "chunked;x", "chunked ;x=y", "gzip, chunked;q=1", "x chunked", "\"chunked\"", "chunked\x80", "ch(unked", "gzip;", ";", "chunked\v"} {
		want := BadTransferEncoding
		switch v {
		case "gzip;":
			want = UnsupportedTransferEncoding
		case "chunked\v":
			want = BadHeader
		}
		f("9112 6.1 malformed", want, post("Transfer-Encoding: "+v))
	}
	for _, v := range []string{"gzip", "gzip, chunked", "identity", "identity, chunked", "xchunked", "chunkedx", "chunke", "deflate;a=b"} {
		f("9112 6.1 unsupported", UnsupportedTransferEncoding, post("Transfer-Encoding: "+v))
	}

	f("9112 3.2 no Host", MissingHost, "GET / HTTP/1.1\r\nA: b\r\n\r\n")
	f("9112 3.2 two Hosts", MultipleHost, line("Host: h"))
	f("9112 3.2 two Hosts on 1.0", MultipleHost, "GET / HTTP/1.0\r\nHost: h\r\nhost: i\r\n\r\n")
	f("9112 3.2 empty Host", BadHost, "GET / HTTP/1.1\r\nHost:\r\n\r\n")
	f("9112 3.2 invalid Host on 1.0", BadHost, "GET / HTTP/1.0\r\nHost: a/b\r\n\r\n")
	f("many options", TooManyConnectionOptions, line("Connection: "+strings.Repeat("a,", MaxConnectionOptions)))
	f("many options in many lines", TooManyConnectionOptions, line(strings.Repeat("Connection: close\r\n", MaxConnectionOptions+1)+"A: b"))
	f("many fields", TooManyHeaders, line(strings.Repeat("A: b\r\n", httpmsg.MaxFields)+"A: b"))
}

func TestRequestLimits(t *testing.T) {
	var h httpmsg.Head
	f := func(what string, in string, want Refusal) {
		t.Helper()
		if n, r := parseRequest(t, in, &h); r != want || (n > 0) != (want == 0) {
			t.Errorf("%s: (%d, %v), want %v", what, n, r, want)
		}
	}
	a := func(n int) string { return strings.Repeat("a", n) }
	l := DefaultLimits

	target := l.RequestLine - len("GET / HTTP/1.1")
	f("longest request line", "GET /"+a(target)+okTail, 0)
	f("request line too long", "GET /"+a(target+1)+okTail, UriTooLong)
	f("request line without end", "GET /"+a(l.RequestLine+100), UriTooLong)
	f("method without end", a(l.RequestLine+100), UriTooLong)
	f("query too long", "GET /?"+a(target)+okTail, UriTooLong)
	f("bad byte beyond the limit is not reached", "GET /"+a(target+20)+"\x00"+okTail, UriTooLong)

	field := func(n int) string { return "GET / HTTP/1.1\r\nHost: h\r\nX: " + a(n-3) + "\r\n\r\n" }
	f("longest field", field(l.Field), 0)
	f("field too long", field(l.Field+1), HeaderTooLarge)
	f("value without end", field(l.Field + 1)[:l.Field+28], HeaderTooLarge)
	f("name without end", "GET / HTTP/1.1\r\nHost: h\r\n"+a(l.Field+100), HeaderTooLarge)
	f("bad byte beyond the limit of a field", "GET / HTTP/1.1\r\nHost: h\r\nX: "+a(l.Field)+"\x00", HeaderTooLarge)

	head := func(n int) string {
		s := "GET / HTTP/1.1\r\nHost: h\r\n"
		for n-len(s) > 9000 {
			s += "X: " + a(8000) + "\r\n"
		}
		return s + "X: " + a(n-len(s)-len("X: \r\n\r\n")) + "\r\n\r\n"
	}
	f("largest head", head(l.Head), 0)
	f("head too large", head(l.Head+1), HeadTooLarge)
	f("head without end", head(l.Head + 1)[:l.Head], HeadTooLarge)
	f("most fields", "GET / HTTP/1.1\r\nHost: h\r\n"+strings.Repeat("A: b\r\n", httpmsg.MaxFields-1)+"\r\n", 0)

	small := Limits{RequestLine: 16, Field: 12, Head: 60, ResponseHead: 60}
	if n, r := ParseRequest([]byte("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"), &h, &small); n == 0 || r != 0 {
		t.Errorf("own limits: (%d, %v)", n, r)
	}
	if _, r := ParseRequest([]byte("GET /abc HTTP/1.1\r\nHost: h\r\n\r\n"), &h, &small); r != UriTooLong {
		t.Errorf("own limits: %v, want UriTooLong", r)
	}
}

func TestRequestPipelined(t *testing.T) {
	var h httpmsg.Head
	first := "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
	in := first + "GET\x00garbage"
	if n, r := ParseRequest([]byte(in), &h, nil); n != len(first) || r != 0 {
		t.Errorf("(%d, %v), want %d", n, r, len(first))
	}
}

// A Head must show nothing of the message that it held before.
func TestHeadReuse(t *testing.T) {
	var h httpmsg.Head
	ParseRequest([]byte("POST http://x/?q HTTP/1.0\r\nHost: h\r\nContent-Length: 05\r\nConnection: X-A\r\nX-A: 1\r\nExpect: 100-continue\r\n\r\n"), &h, nil)
	n, r := ParseRequest([]byte("GET / HTTP/1.1\r\nHost: h\r\nB: 1\r\nC: 2\r\nD: 3\r\n\r\n"), &h, nil)
	if n == 0 || r != 0 {
		t.Fatal(n, r)
	}
	if got, want := summary(&h), "GET / form=0 path=/ host=h body=0/-1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := kept(&h), "Host: h\r\nB: 1\r\nC: 2\r\nD: 3\r\n"; got != want {
		t.Errorf("kept %q, want %q", got, want)
	}
}

func TestRefusalWords(t *testing.T) {
	seen := map[string]bool{}
	for r := Refusal(0); int(r) < NumRefusals; r++ {
		w := r.String()
		if w == "" || seen[w] || strings.ContainsAny(w, " \"") {
			t.Errorf("refusal %d is %q", r, w)
		}
		seen[w] = true
		if m := r | fromTarget; m.Reason() != r || m.String() != w || m.Status() != 502 {
			t.Errorf("%s marked as a response's: %v %v %d", w, m.Reason(), m, m.Status())
		}
		switch s := r.Status(); {
		case r == 0 && s == 0, s == 400, s == 414, s == 501, s == 502, s == 505:
		default:
			t.Errorf("%s has status %d", w, s)
		}
	}
}

func TestParseAllocs(t *testing.T) {
	var h httpmsg.Head
	refused := []byte("POST / HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")
	listed := []byte("GET http://[::1]/ HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nConnection: x-a, close\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	for name, head := range map[string][]byte{"short": head45, "long": head460, "refused": refused, "listed": listed} {
		if n := testing.AllocsPerRun(100, func() { ParseRequest(head, &h, nil) }); n != 0 {
			t.Errorf("ParseRequest of the %s head: %v allocs, want 0", name, n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { ParseResponse(headResp, &h, nil, httpmsg.MethodGet) }); n != 0 {
		t.Errorf("ParseResponse: %v allocs, want 0", n)
	}
}

func TestHeadComplete(t *testing.T) {
	for _, in := range []string{
		"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n", "a\n\n", "a\r\n\n", "a\n\r\n", "a\r\n", "a\r\n\r", "a\r\r\n\r\r\n", "", "\n", "a\nb\nc\n\r\rx",
	} {
		want := strings.Contains(in, "\n\n") || strings.Contains(in, "\n\r\n")
		if got := HeadComplete([]byte(in), 0); got != want {
			t.Errorf("HeadComplete(%q) = %v", in, got)
		}
		// Whatever was looked at before, the end is found when it arrives.
		for from := range len(in) {
			if HeadComplete([]byte(in[:from]), 0) {
				break
			}
			if got := HeadComplete([]byte(in), from); got != want {
				t.Errorf("HeadComplete(%q, %d) = %v", in, from, got)
			}
		}
	}
}

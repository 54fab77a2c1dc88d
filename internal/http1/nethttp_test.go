package http1

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// A stricter is a reason for which this parser refuses what net/http accepts.
// The list is complete: a refusal that net/http does not share and that is not
// explained here fails the fuzz test. testdata/README.md is its prose.
var stricter = map[Refusal]func(head string) bool{
	// net/textproto ends lines at LF with or without CR, and skips a CR anywhere
	// before it.
	BadLineEnding: func(head string) bool {
		rest := strings.ReplaceAll(head, "\r\n", "")
		return strings.ContainsAny(rest, "\r\n")
	},
	// It continues a value on the next line (obs-fold).
	MultilineHeader: folded,
	// Its url.Parse allows a fragment, bytes above ASCII, any scheme, userinfo,
	// authorities and asterisks with any method.
	BadUri: func(string) bool { return true },
	// A head has limits of size here; there the server sets them.
	UriTooLong:     func(head string) bool { return len(head) > fuzzLimits.RequestLine },
	HeaderTooLarge: func(head string) bool { return len(head) > fuzzLimits.Field },
	HeadTooLarge:   func(head string) bool { return len(head) >= fuzzLimits.Head },
	TooManyHeaders: func(head string) bool { return strings.Count(head, "\n") > httpmsg.MaxFields },
	TooManyConnectionOptions: func(head string) bool {
		return strings.Count(head, ",")+strings.Count(head, "\n") > MaxConnectionOptions
	},
	// It accepts equal Content-Length fields, and lets Transfer-Encoding win.
	MultipleContentLength: func(head string) bool { return fieldCount(head, "content-length") > 1 },
	BothTeClPresent: func(head string) bool {
		return fieldCount(head, "content-length") > 0 && fieldCount(head, "transfer-encoding") > 0
	},
	// It ignores Transfer-Encoding on HTTP/1.0, and so whatever its value is. A
	// folded value looks empty here.
	UndefinedTransferEncoding:   func(head string) bool { return strings.Contains(head, "HTTP/1.0") },
	BadTransferEncoding:         func(head string) bool { return strings.Contains(head, "HTTP/1.0") || folded(head) },
	UnsupportedTransferEncoding: func(head string) bool { return strings.Contains(head, "HTTP/1.0") },
	// A folded value looks empty here.
	BadContentLength: folded,
	// ReadRequest looks at the number of Hosts only; net/http.Server wants one,
	// but accepts an empty one and more bytes.
	MissingHost: func(string) bool { return true },
	BadHost:     func(string) bool { return true },
}

// looser lists the errors of net/http for what this parser accepts, by a part of
// their text.
var looser = []struct {
	text string
	when func(h *httpmsg.Head, head string) bool
}{
	// url.Parse wants every '%' of a path to begin an octet, and none in a host; we
	// forward targets as they are.
	{"invalid URL escape", func(h *httpmsg.Head, _ string) bool { return bytes.Contains(h.Bytes(h.Target), []byte("%")) }},
	// It takes a trailer of these names as an attack; we drop those lines when
	// the trailer comes.
	{"bad trailer key", func(h *httpmsg.Head, _ string) bool { return h.Has(httpmsg.FieldTrailer) }},
}

func folded(head string) bool { return strings.Contains(head, "\n ") || strings.Contains(head, "\n\t") }

func fieldCount(head, name string) (n int) {
	for l := range strings.Lines(head) {
		k, _, ok := strings.Cut(l, ":")
		if ok && strings.EqualFold(strings.TrimSpace(k), name) {
			n++
		}
	}
	return n
}

// readRequest is http.ReadRequest with what http.Server checks after it, except for
// Host, which ReadRequest no longer has then.
func readRequest(buf []byte) (*http.Request, error) {
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(buf)))
	if err != nil {
		return nil, err
	}
	if req.ProtoMajor != 1 || req.ProtoMinor > 1 {
		return nil, errors.New("unsupported protocol version")
	}
	for k, vv := range req.Header {
		if !httpguts.ValidHeaderFieldName(k) {
			return nil, errors.New("invalid header name")
		}
		for _, v := range vv {
			if !httpguts.ValidHeaderFieldValue(v) {
				return nil, errors.New("invalid header value")
			}
		}
	}
	return req, nil
}

// compareNetHTTP parses buf with both parsers and says what they disagree about that
// the lists above do not explain.
func compareNetHTTP(t *testing.T, buf []byte) {
	t.Helper()
	var h httpmsg.Head
	n, r := ParseRequest(buf, &h, &fuzzLimits)
	if n == 0 && r == 0 {
		return // not complete
	}
	if n > 0 {
		buf = buf[:n] // net/http must need no more than what we call a head
	}
	if len(buf) > 0 && buf[0] == '\r' && n > 0 {
		buf = buf[2:] // ReadRequest skips no empty line; we do, by RFC 9112 section 2.2
	}
	req, err := readRequest(buf)
	switch {
	case err == nil && r != 0:
		if explain := stricter[r]; explain == nil || !explain(string(buf)) {
			t.Errorf("%q: refused as %v, but net/http accepts it", buf, r)
		}
	case err != nil && r == 0:
		for _, l := range looser {
			if strings.Contains(err.Error(), l.text) && l.when(&h, string(buf)) {
				return
			}
		}
		t.Errorf("%q: accepted, but net/http says %v", buf, err)
	case err == nil:
		compareRequest(t, buf, &h, req)
	}
}

// compareRequest compares two readings of the same accepted head.
func compareRequest(t *testing.T, buf []byte, h *httpmsg.Head, req *http.Request) {
	t.Helper()
	same := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Fatalf("%q: %s is %q, net/http says %q", buf, what, got, want)
		}
	}
	same("method", string(h.Bytes(h.Method)), req.Method)
	same("target", string(h.Bytes(h.Target)), req.RequestURI)
	if h.HTTP10 != (req.ProtoMinor == 0) || req.ProtoMajor != 1 {
		t.Fatalf("%q: HTTP10 %v, net/http says %s", buf, h.HTTP10, req.Proto)
	}
	if h.Form == httpmsg.AuthorityForm {
		// There the target decides the host of a CONNECT; here whoever answers it does.
		same("authority", string(h.Bytes(h.Authority)), req.Host)
	} else {
		same("host", string(h.Bytes(h.Host)), req.Host)
	}
	if h.Form == httpmsg.OriginForm || h.Form == httpmsg.AbsoluteForm {
		// RequestURI is compared whole, so here it is about where it is cut.
		same("query", string(h.Bytes(h.Query)), req.URL.RawQuery)
		if req.URL.RawPath != "" {
			same("raw path", string(h.Bytes(h.Path)), req.URL.RawPath)
		} else if p := string(h.Bytes(h.Path)); !strings.Contains(p, "%") {
			same("path", p, req.URL.Path)
		}
	}

	// Fields, except those that net/http takes out of the map.
	ours := http.Header{}
	for i := range h.Fields {
		f := &h.Fields[i]
		switch f.ID {
		case httpmsg.FieldHost, httpmsg.FieldTransferEncoding, httpmsg.FieldTrailer, httpmsg.FieldContentLength:
			continue
		}
		k := textproto.CanonicalMIMEHeaderKey(string(h.Bytes(f.Name)))
		ours[k] = append(ours[k], string(h.Bytes(f.Value)))
	}
	for _, k := range []string{"Host", "Transfer-Encoding", "Trailer", "Content-Length"} {
		req.Header.Del(k)
	}
	// ReadRequest adds this for "Pragma: no-cache".
	if _, ok := ours["Cache-Control"]; !ok {
		if p := ours["Pragma"]; len(p) > 0 && p[0] == "no-cache" {
			req.Header.Del("Cache-Control")
		}
	}
	if len(ours) != len(req.Header) {
		t.Fatalf("%q: fields %q, net/http says %q", buf, ours, req.Header)
	}
	for k, v := range ours {
		same("field "+k, strings.Join(v, "\n"), strings.Join(req.Header[k], "\n"))
	}

	// Framing. net/http ends a HTTP/1.1 request's connection by the same rules.
	want := int64(0)
	switch h.Body {
	case httpmsg.BodyLength:
		want = h.ContentLength
	case httpmsg.BodyChunked:
		want = -1
	}
	if req.ContentLength != want || (h.Body == httpmsg.BodyChunked) != (len(req.TransferEncoding) == 1) {
		t.Fatalf("%q: body %d of length %d, net/http says %d, %q", buf, h.Body, want, req.ContentLength, req.TransferEncoding)
	}
	if h.Close != req.Close {
		t.Fatalf("%q: Close %v, net/http says %v", buf, h.Close, req.Close)
	}
}

func FuzzRequestVsNetHTTP(f *testing.F) {
	for _, s := range requestSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, buf []byte) { compareNetHTTP(t, buf) })
}

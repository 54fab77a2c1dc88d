package http1

import (
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// TestStricterThanNetHTTP shows one head for each reason in the list: net/http reads
// it, this parser refuses it. A reason without an example has no place there.
func TestStricterThanNetHTTP(t *testing.T) {
	const get, post = "GET / HTTP/1.1\r\nHost: h\r\n", "POST / HTTP/1.1\r\nHost: h\r\n"
	examples := map[Refusal]string{
		BadLineEnding:               "GET / HTTP/1.1\nHost: h\n\n",
		MultilineHeader:             get + "A: b\r\n c\r\n\r\n",
		BadUri:                      "GET ftp://h/#x HTTP/1.1\r\nHost: h\r\n\r\n",
		UriTooLong:                  "GET /" + strings.Repeat("a", 300) + " HTTP/1.1\r\nHost: h\r\n\r\n",
		HeaderTooLarge:              get + "A: " + strings.Repeat("b", 400) + "\r\n\r\n",
		HeadTooLarge:                get + strings.Repeat("A: "+strings.Repeat("b", 200)+"\r\n", 5) + "\r\n",
		TooManyHeaders:              get + strings.Repeat("A:\r\n", httpmsg.MaxFields+1) + "\r\n",
		TooManyConnectionOptions:    get + "Connection: " + strings.Repeat("a,", 40) + "\r\n\r\n",
		MultipleContentLength:       post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
		BothTeClPresent:             post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		UndefinedTransferEncoding:   "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
		BadTransferEncoding:         "POST / HTTP/1.0\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
		UnsupportedTransferEncoding: "POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n",
		BadContentLength:            post + "Content-Length:\r\n 5\r\n\r\n",
		MissingHost:                 "GET / HTTP/1.1\r\n\r\n",
		BadHost:                     "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
	}
	for r := range stricter {
		if examples[r] == "" {
			t.Errorf("%v is in the list without an example", r)
		}
	}
	var h httpmsg.Head
	for want, in := range examples {
		if _, r := ParseRequest([]byte(in), &h, &fuzzLimits); r != want {
			t.Errorf("%q: %v, want %v", in, r, want)
		}
		if _, err := readRequest([]byte(in)); err != nil {
			t.Errorf("%v: net/http refuses %q as well: %v", want, in, err)
		}
		compareNetHTTP(t, []byte(in))
	}
}

// TestLooserThanNetHTTP is the same for what only this parser accepts.
func TestLooserThanNetHTTP(t *testing.T) {
	examples := map[string]string{
		"invalid URL escape": "GET /100% HTTP/1.1\r\nHost: h\r\n\r\n",
		"bad trailer key":    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n",
	}
	var h httpmsg.Head
	for _, l := range looser {
		in := examples[l.text]
		if n, r := ParseRequest([]byte(in), &h, &fuzzLimits); n != len(in) {
			t.Errorf("%s: %q: %d, %v", l.text, in, n, r)
		}
		if _, err := readRequest([]byte(in)); err == nil || !strings.Contains(err.Error(), l.text) {
			t.Errorf("%s: net/http says of %q: %v", l.text, in, err)
		}
		compareNetHTTP(t, []byte(in))
	}
}

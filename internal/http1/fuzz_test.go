package http1

import (
	"bytes"
	"io"
	"net/http/httputil"
	"testing"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// requestSeeds begins the corpus of the request fuzzers.
var requestSeeds = []string{
	string(head45), string(head460),
	"\r\nGET /a?b#c HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST http://u@h:80/a HTTP/1.1\r\nHost: h\r\nContent-Length: 05 \r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nTrailer: a\r\n\r\n0\r\n\r\n",
	"OPTIONS * HTTP/1.0\r\nConnection: keep-alive, x-a\r\nX-A: b\r\nExpect: 100-continue\r\n\r\n",
	"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
	"GET / HTTP/1.1\nHost: h\n\n", "GET /\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\nA : b\r\n c\r\n\r\n",
}

// fuzzLimits are small, so that a fuzzer meets them.
var fuzzLimits = Limits{RequestLine: 200, Field: 300, Head: 1000, ResponseHead: 1000}

// checkHead checks what holds of every accepted head.
func checkHead(t *testing.T, buf []byte, n int, h *httpmsg.Head) {
	t.Helper()
	if h.Size != n || !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) || !HeadComplete(buf[:n], 0) || &h.Buf[0] != &buf[0] {
		t.Fatalf("%q: n %d, Size %d", buf, n, h.Size)
	}
	// The lines tile the head from the end of the start line to the empty line.
	at := uint32(0)
	for i := range h.Fields {
		f := &h.Fields[i]
		if i > 0 && f.Name.Off != at {
			t.Fatalf("%q: field %d begins at %d, the one before ends at %d", buf, i, f.Name.Off, at)
		}
		at = f.End
		name, value := h.Bytes(f.Name), h.Bytes(f.Value)
		if f.ID != httpmsg.Identify(name) || len(name) == 0 || tokenEnd(name, 0, len(name)) != len(name) {
			t.Fatalf("%q: field %d is named %q, id %d", buf, i, name, f.ID)
		}
		if !bytes.Equal(value, trim(value)) || valueEnd(value, 0) != len(value) || buf[f.Name.Off+f.Name.Len] != ':' ||
			string(buf[f.End-2:f.End]) != "\r\n" || f.Value.Off+f.Value.Len > f.End-2 {
			t.Fatalf("%q: field %d has value %q", buf, i, value)
		}
		if f.ID.HopByHop() && !f.Drop {
			t.Fatalf("%q: %q would be forwarded", buf, name)
		}
	}
	if len(h.Fields) > 0 && int(at) != n-2 {
		t.Fatalf("%q: fields end at %d, head at %d", buf, at, n)
	}
	if (h.Body == httpmsg.BodyLength) && h.ContentLength <= 0 || h.Body == httpmsg.BodyChunked && h.ContentLength >= 0 {
		t.Fatalf("%q: body %d of length %d", buf, h.Body, h.ContentLength)
	}
	// What is kept parses again to nothing that would be dropped, and says the
	// same about the length.
	again := append([]byte("GET / HTTP/1.0\r\n"), bytes.Join(h.AppendKept(nil), nil)...)
	again = append(again, "\r\n"...)
	var k httpmsg.Head
	kn, r := fieldLines(again, len("GET / HTTP/1.0\r\n"), func() *httpmsg.Head { k.Reset(again); return &k }(), len(again), false)
	if kn != len(again) || r != 0 {
		t.Fatalf("%q: kept fields %q: %d, %v", buf, again, kn, r)
	}
	for i := range k.Fields {
		if k.Fields[i].Drop {
			t.Fatalf("%q: keeps %q", buf, k.Bytes(k.Fields[i].Name))
		}
	}
	if !h.RewriteLength && k.ContentLength != h.ContentLength && !(h.Status != 0 && (h.Status < 200 || h.Status == 204)) {
		t.Fatalf("%q: length %d, kept %d", buf, h.ContentLength, k.ContentLength)
	}
}

func FuzzParseRequest(f *testing.F) {
	for _, s := range requestSeeds {
		f.Add([]byte(s))
	}
	var h httpmsg.Head
	f.Fuzz(func(t *testing.T, buf []byte) {
		n, r := parseSplit(t, buf, &h, func(b []byte) (int, Refusal) { return ParseRequest(b, &h, &fuzzLimits) })
		if n == 0 {
			if r == 0 && len(buf) >= fuzzLimits.Head {
				t.Fatal("wants more than the limit")
			}
			return
		}
		checkHead(t, buf, n, &h)
		if len(h.Bytes(h.Host)) == 0 && !h.HTTP10 || h.Body == httpmsg.BodyClose {
			t.Fatalf("%q: %s", buf, summary(&h))
		}
		if target := h.Bytes(h.Target); bytes.ContainsAny(target, " \t\r\n\x00#") || len(target) == 0 {
			t.Fatalf("%q: target %q", buf, target)
		}
	})
}

func FuzzParseResponse(f *testing.F) {
	for _, s := range []string{
		string(headResp), "HTTP/1.0 200\r\n\r\n", "HTTP/1.1 204 No\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 304 x\r\nContent-Length: 05\r\n\r\n", "HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close, x\r\nX: y\r\n\r\n0\r\n\r\n",
	} {
		f.Add([]byte(s), false)
	}
	var h httpmsg.Head
	f.Fuzz(func(t *testing.T, buf []byte, head bool) {
		m := httpmsg.MethodGet
		if head {
			m = httpmsg.MethodHead
		}
		n, r := parseSplit(t, buf, &h, func(b []byte) (int, Refusal) { return ParseResponse(b, &h, &fuzzLimits, m) })
		if r != 0 && r.Status() != 502 {
			t.Fatalf("%v has status %d", r, r.Status())
		}
		if n == 0 {
			return
		}
		checkHead(t, buf, n, &h)
		if head && h.Body != httpmsg.BodyNone || h.Body == httpmsg.BodyClose && !h.Close || h.Status < 100 || h.Status > 999 {
			t.Fatalf("%q: status %d, body %d", buf, h.Status, h.Body)
		}
	})
}

// FuzzBodyDecode: how a body arrives does not change what it is, and where it is accepted
// the standard library reads the same payload.
func FuzzBodyDecode(f *testing.F) {
	for _, s := range []string{
		"5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n", "0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "7fffffffffffffff\r\nab", "ffffffffffffffff\r\n",
		"1\r\nx\r\n0\r\nHost: h\r\nA:b\r\n\r\nGET / HTTP/1.1\r\n\r\n", "5 \r\nhello\r\n", "0000000000000000\r\nA\r\n",
	} {
		f.Add([]byte(s), []byte{1, 2, 3}, uint8(httpmsg.BodyChunked), int64(0))
	}
	f.Add([]byte("hello, world"), []byte{5}, uint8(httpmsg.BodyLength), int64(7))
	f.Add([]byte("hello, world"), []byte{5}, uint8(httpmsg.BodyClose), int64(0))
	f.Fuzz(func(t *testing.T, in, split []byte, kind uint8, length int64) {
		k := httpmsg.BodyKind(kind % 4)
		whole := decode(t, k, length, in, func() int { return len(in) })
		i := 0
		pieces := decode(t, k, length, in, func() int {
			if len(split) == 0 {
				return 1
			}
			i++
			return int(split[i%len(split)])
		})
		if pieces != whole {
			t.Fatalf("%q: in pieces %+v, whole %+v", in, pieces, whole)
		}
		if k == httpmsg.BodyChunked && whole.done {
			got, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(in)))
			if err != nil || string(got) != whole.payload {
				t.Fatalf("%q: payload %q, net/http reads %q, %v", in, whole.payload, got, err)
			}
			var h httpmsg.Head
			h.Reset([]byte(whole.trailers + "\r\n"))
			if n, r := fieldLines(h.Buf, 0, &h, MaxTrailers, false); n != len(h.Buf) || r != 0 {
				t.Fatalf("trailers %q: %d, %v", whole.trailers, n, r)
			}
		}
	})
}

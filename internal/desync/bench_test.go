package desync

import (
	"testing"

	"github.com/elbow-lb/elbow/internal/http1"
	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// head440 is what a browser sends: 440 bytes, compliant. plain is what load
// generators send, post a request with a body.
var (
	head440 = "GET /assets/app.js?v=7 HTTP/1.1\r\nHost: www.example.com\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.9\r\n" +
		"Accept-Encoding: gzip, deflate, br\r\nUpgrade-Insecure-Requests: 1\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark; ab=on\r\n" +
		"Cache-Control: max-age=0\r\n\r\n"
	plain = "GET /128 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"
	post  = "POST /api/v1/items HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 512\r\n" +
		"Content-Type: application/json\r\nX-Request-Id: 6f1c3c2e-9f6e-4c62-9f39-2f3b1f0a7c11\r\nCf-Connecting-Ip: 192.0.2.7\r\n\r\n"
)

func TestBenchmarkHeads(t *testing.T) {
	if len(head440) != 440 {
		t.Errorf("%d bytes", len(head440))
	}
}

func BenchmarkClassify440(b *testing.B) {
	head := []byte(head440)
	b.ReportAllocs()
	b.SetBytes(int64(len(head)))
	for b.Loop() {
		if tier, r := Classify(head); tier != Compliant {
			b.Fatal(r)
		}
	}
}

func BenchmarkClassifyHead(b *testing.B) {
	for _, c := range []struct{ name, head string }{{"plain", plain}, {"440", head440}, {"post", post}} {
		b.Run(c.name, func(b *testing.B) {
			h := parsed(b, c.head)
			b.ReportAllocs()
			for b.Loop() {
				if tier, r := ClassifyHead(h); tier != Compliant {
					b.Fatal(r)
				}
			}
		})
	}
}

// A head as large as is accepted, and full of what has to be looked at.
func BenchmarkClassifySuspicious64K(b *testing.B) {
	head := []byte("POST / HTTP/1.1\r\nHost: h\r\n")
	for len(head) < 64<<10 {
		head = append(head, "Content_Length: 1\r\n"...)
	}
	head = append(head, "\r\n"...)
	b.ReportAllocs()
	b.SetBytes(int64(len(head)))
	for b.Loop() {
		if tier, r := Classify(head); tier != Ambiguous {
			b.Fatal(r)
		}
	}
}

func parsed(t testing.TB, head string) *httpmsg.Head {
	t.Helper()
	h := new(httpmsg.Head)
	if n, r := http1.ParseRequest([]byte(head), h, nil); n != len(head) {
		t.Fatalf("%q: %v", head, r)
	}
	return h
}

func TestNoAllocations(t *testing.T) {
	bad := []byte("GET / HTTP/1.1\r\nContent_Length: 5\r\nTransfer-Encoding: chunked, x\r\n y\r\nA\x00: b\r\n\r\n")
	h, g := parsed(t, head440), parsed(t, "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n")
	raw := []byte(head440)
	if n := testing.AllocsPerRun(100, func() {
		Classify(raw)
		Classify(bad)
		ClassifyPart(bad)
		ClassifyHead(h)
		ClassifyHead(g)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

package http1

import (
	"testing"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// Heads that the benchmarks and the allocation tests share. The first is what load
// generators send, the second what a browser does.
var (
	head45   = []byte("GET /128 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n")
	head460  = []byte("GET /128 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.9\r\nAccept-Encoding: gzip, deflate, br\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark; _ga=GA1.1.1234567890.1234567890\r\nReferer: http://example.com/some/path?x=1\r\n\r\n")
	headResp = []byte("HTTP/1.1 200 OK\r\nServer: target\r\nContent-Type: text/plain\r\nX-Test: abcdef\r\nContent-Length: 128\r\n\r\n")
)

func benchmarkRequest(b *testing.B, head []byte) {
	var h httpmsg.Head
	b.ReportAllocs()
	b.SetBytes(int64(len(head)))
	for b.Loop() {
		if n, r := ParseRequest(head, &h, &DefaultLimits); n != len(head) {
			b.Fatal(n, r)
		}
	}
}

func BenchmarkParseRequest45(b *testing.B)  { benchmarkRequest(b, head45) }
func BenchmarkParseRequest460(b *testing.B) { benchmarkRequest(b, head460) }

func BenchmarkParseResponse(b *testing.B) {
	var h httpmsg.Head
	b.ReportAllocs()
	b.SetBytes(int64(len(headResp)))
	for b.Loop() {
		if n, r := ParseResponse(headResp, &h, &DefaultLimits, httpmsg.MethodGet); n != len(headResp) {
			b.Fatal(n, r)
		}
	}
}

// A whole read inside one chunk must cost nothing per byte.
func BenchmarkDecodeWithinChunk(b *testing.B) {
	var d Body
	buf := make([]byte, 16<<10)
	b.ReportAllocs()
	b.SetBytes(int64(len(buf)))
	d.Reset(httpmsg.BodyChunked, 0)
	d.Decode([]byte("7fffffffffffffff\r\n"))
	for b.Loop() {
		if n, _, _, r := d.Decode(buf); n != len(buf) || r != 0 {
			b.Fatal(n, r)
		}
	}
}

// Four chunks of 4 KiB in one read: the framing and the moves.
func BenchmarkDecodeChunks(b *testing.B) {
	var body []byte
	for range 4 {
		body = AppendChunkHeader(body, 4096)
		body = append(body, make([]byte, 4096)...)
		body = append(body, ChunkEnd...)
	}
	body = append(body, LastChunk+ChunkEnd...)
	buf := make([]byte, len(body))
	var d Body
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		copy(buf, body)
		d.Reset(httpmsg.BodyChunked, 0)
		if n, _, done, r := d.Decode(buf); n != 4*4096 || !done {
			b.Fatal(n, done, r)
		}
	}
}

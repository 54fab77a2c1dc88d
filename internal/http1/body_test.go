package http1

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/internal/httpmsg"
)

// decoded is what became of a body.
type decoded struct {
	payload  string
	consumed int
	done     bool
	refusal  Refusal
	trailers string
}

// decode decodes in, which arrives in pieces as long as next says.
func decode(t *testing.T, kind httpmsg.BodyKind, length int64, in []byte, next func() int) decoded {
	t.Helper()
	var b Body
	b.Reset(kind, length)
	var d decoded
	for rest := in; len(rest) > 0 && !d.done && d.refusal == 0; {
		n := min(max(next(), 1), len(rest))
		piece := bytes.Clone(rest[:n:n])
		payload, consumed, done, r := b.Decode(piece)
		if payload < 0 || payload > consumed || consumed > n || consumed < n && !done && r == 0 {
			t.Fatalf("Decode(%d bytes) = %d, %d, %v, %v", n, payload, consumed, done, r)
		}
		if !bytes.Equal(piece[consumed:], rest[consumed:n]) {
			t.Fatalf("Decode changed bytes that it did not consume: %q", rest[:n])
		}
		if done != b.Done() {
			t.Fatalf("done %v, Done() %v", done, b.Done())
		}
		d.payload += string(piece[:payload])
		d.consumed += consumed
		d.done, d.refusal = done, r
		rest = rest[consumed:]
	}
	d.trailers = string(b.Trailers())
	// What was said last stays.
	if _, n, done, r := b.Decode([]byte("x")); len(in) > 0 && (d.done || d.refusal != 0) && (n != 0 || done != d.done || r != d.refusal) {
		t.Fatalf("after the end Decode says %d, %v, %v; before %v, %v", n, done, r, d.done, d.refusal)
	}
	return d
}

// decodeSplit decodes in whole, byte by byte, and in two pieces everywhere; all must
// agree.
func decodeSplit(t *testing.T, kind httpmsg.BodyKind, length int64, in string) decoded {
	t.Helper()
	whole := decode(t, kind, length, []byte(in), func() int { return len(in) })
	if bytewise := decode(t, kind, length, []byte(in), func() int { return 1 }); bytewise != whole {
		t.Errorf("%.100q: byte by byte %+v, whole %+v", in, bytewise, whole)
	}
	for i := 1; i < len(in); i += max(1, len(in)/500) {
		first := i
		two := decode(t, kind, length, []byte(in), func() int { n := first; first = len(in); return n })
		if two != whole {
			t.Errorf("%.100q: split at %d %+v, whole %+v", in, i, two, whole)
		}
	}
	return whole
}

func TestChunkedAccepted(t *testing.T) {
	f := func(what, in, payload, trailers string) {
		t.Helper()
		got := decodeSplit(t, httpmsg.BodyChunked, 0, in+"NEXT")
		want := decoded{payload: payload, consumed: len(in), done: true, trailers: trailers}
		if got != want {
			t.Errorf("%s: %.100q: %+v, want %+v", what, in, got, want)
		}
	}
	f("empty", "0\r\n\r\n", "", "")
	f("one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello", "")
	f("chunks", "5\r\nhello\r\n1\r\n \r\n00a\r\n0123456789\r\n000\r\n\r\n", "hello 0123456789", "")
	f("hex in both cases", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", "")
	f("data that looks like framing", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n", "")
	f("most digits", "0000000000000001\r\na\r\n0000000000000000\r\n\r\n", "a", "")
	f("extensions", "1;a\r\nx\r\n1;a=b;c=\"d\te\xff\"\r\ny\r\n0;z\r\n\r\n", "xy", "")
	f("extension with white space in it", "1; a = b \r\nx\r\n0\r\n\r\n", "x", "")
	f("trailers", "1\r\nx\r\n0\r\nA: b\r\nc-d:  e f \r\n\r\n", "x", "A: b\r\nc-d: e f\r\n")
	f("trailer without a space", "0\r\nA:b\r\nB:\r\nC:c\r\n\r\n", "", "A: b\r\nB: \r\nC: c\r\n")
	f("forbidden trailers", "0\r\nHost: h\r\nX: 1\r\nContent-Length: 5\r\ntransfer-encoding: chunked\r\nAuthorization: a\r\nX-Forwarded-For: b\r\nX-Amzn-Foo: c\r\nSet-Cookie: d\r\nContent-Type: e\r\nConnection: f\r\nTrailer: g\r\nY: 2\r\nTE: h\r\n\r\n", "", "X: 1\r\nY: 2\r\n")
	f("gRPC trailers", "0\r\nGrpc-Status: 0\r\nGrpc-Message:\r\n\r\n", "", "Grpc-Status: 0\r\nGrpc-Message: \r\n")
	f("longest extensions", "1;"+strings.Repeat("a", MaxChunkExt-1)+"\r\nx\r\n0\r\n\r\n", "x", "")
	long := "A: " + strings.Repeat("b", MaxTrailers-5) + "\r\n"
	f("longest trailers", "0\r\n"+long+"\r\n", "", long)
}

func TestChunkedRefused(t *testing.T) {
	f := func(what string, want Refusal, in, payload string) {
		t.Helper()
		got := decodeSplit(t, httpmsg.BodyChunked, 0, in)
		if got.refusal != want || got.payload != payload || got.done {
			t.Errorf("%s: %.100q: %+v, want %v after %q", what, in, got, want, payload)
		}
	}
	f("no size", BadChunkSize, "\r\n\r\n", "")
	f("only an extension", BadChunkSize, ";a\r\n", "")
	f("space before", BadChunkSize, " 5\r\nhello\r\n", "")
	f("space after", BadChunkSize, "5 \r\nhello\r\n", "")
	f("white space before an extension", BadChunkSize, "5 ;a\r\nhello\r\n", "")
	f("tab after", BadChunkSize, "5\t\r\nhello\r\n", "")
	f("sign", BadChunkSize, "+5\r\nhello\r\n", "")
	f("minus", BadChunkSize, "-5\r\nhello\r\n", "")
	f("0x", BadChunkSize, "0x5\r\nhello\r\n", "")
	f("underscore", BadChunkSize, "5_0\r\nhello\r\n", "")
	f("not hex", BadChunkSize, "5g\r\nhello\r\n", "")
	f("bare LF", BadChunkSize, "5\nhello\r\n0\r\n\r\n", "")
	f("CR alone", BadChunkEnd, "5\rhello\r\n", "")
	f("CR CR LF", BadChunkEnd, "5\r\r\nhello\r\n", "")
	f("17 digits", ChunkTooLarge, "00000000000000005\r\nhello\r\n", "")
	f("2^63", ChunkTooLarge, "8000000000000000\r\n", "")
	f("2^64-1", ChunkTooLarge, "ffffffffffffffff\r\n", "")
	f("2^64+5", ChunkTooLarge, "10000000000000005\r\nhello\r\n", "")
	f("control in an extension", BadChunkExt, "5;a\x00\r\nhello\r\n", "")
	f("LF in an extension", BadChunkExt, "5;a\nhello\r\n", "")
	f("DEL in an extension", BadChunkExt, "5;a\x7f\r\nhello\r\n", "")
	f("CR in an extension", BadChunkEnd, "5;a\rb\r\nhello\r\n", "")
	f("extensions too long", ChunkExtTooLong, "5;"+strings.Repeat("a", MaxChunkExt)+"\r\nhello\r\n", "")
	f("extensions of many chunks too long", ChunkExtTooLong, strings.Repeat("1;"+strings.Repeat("a", 1023)+"\r\nx\r\n", 5), "xxxx")
	f("data too long", BadChunkEnd, "5\r\nhello!\r\n0\r\n\r\n", "hello")
	f("data too short", BadChunkEnd, "7\r\nhello\r\n0\r\n\r\n", "hello\r\n")
	f("LF after data", BadChunkEnd, "5\r\nhello\n0\r\n\r\n", "hello")
	f("CR after data", BadChunkEnd, "5\r\nhello\r0\r\n\r\n", "hello")
	f("nothing after data", BadChunkEnd, "5\r\nhello0\r\n\r\n", "hello")
	f("LF ends the body", BadTrailer, "0\r\n\n", "")
	f("CR without LF at the end", BadTrailer, "0\r\n\rX", "")
	f("trailer without colon", BadTrailer, "0\r\nAbc\r\n\r\n", "")
	f("trailer without name", BadTrailer, "0\r\n: b\r\n\r\n", "")
	f("trailer with LF only", BadTrailer, "0\r\nA: b\n\r\n", "")
	f("trailer with CR in it", BadTrailer, "0\r\nA: b\rc\r\n\r\n", "")
	f("trailer with NUL in it", BadTrailer, "0\r\nA: b\x00c\r\n\r\n", "")
	f("trailer with space before colon", BadTrailer, "0\r\nA : b\r\n\r\n", "")
	f("folded trailer", BadTrailer, "0\r\nA: b\r\n c\r\n\r\n", "")
	f("next request as trailer", BadTrailer, "0\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "")
	f("trailer of CR only", BadTrailer, "0\r\nA:\n\r\n", "")
	f("trailers too large", TrailersTooLarge, "0\r\nA: "+strings.Repeat("b", MaxTrailers-4)+"\r\n\r\n", "")
	f("dropped trailers too large", TrailersTooLarge, "0\r\n"+strings.Repeat("Host: h\r\n", MaxTrailers/9+1)+"\r\n", "")
}

func TestChunkedIncomplete(t *testing.T) {
	in := "5;x\r\nhello\r\n0\r\nA: b\r\n\r\n"
	for i := range len(in) {
		got := decode(t, httpmsg.BodyChunked, 0, []byte(in[:i]), func() int { return i })
		if got.done || got.refusal != 0 || got.consumed != i || got.trailers != "" {
			t.Errorf("%q: %+v", in[:i], got)
		}
	}
}

func TestLengthBody(t *testing.T) {
	got := decodeSplit(t, httpmsg.BodyLength, 5, "helloNEXT")
	if want := (decoded{payload: "hello", consumed: 5, done: true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	got = decodeSplit(t, httpmsg.BodyLength, math.MaxInt64-1, "hello")
	if want := (decoded{payload: "hello", consumed: 5}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for _, kind := range []httpmsg.BodyKind{httpmsg.BodyNone, httpmsg.BodyLength} {
		got = decodeSplit(t, kind, 0, "NEXT")
		if want := (decoded{done: true}); got != want {
			t.Errorf("kind %d, no body: %+v, want %+v", kind, got, want)
		}
	}
}

func TestCloseBody(t *testing.T) {
	got := decodeSplit(t, httpmsg.BodyClose, 0, "hello")
	if want := (decoded{payload: "hello", consumed: 5}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestSkip(t *testing.T) {
	var b Body
	f := func(what string, remaining int64, done bool) {
		t.Helper()
		if b.Remaining() != remaining || b.Done() != done {
			t.Errorf("%s: Remaining %d, Done %v; want %d, %v", what, b.Remaining(), b.Done(), remaining, done)
		}
	}
	f("zero value", 0, true)
	b.Reset(httpmsg.BodyLength, 10)
	f("length", 10, false)
	b.Skip(0)
	b.Decode([]byte("abc"))
	f("3 decoded", 7, false)
	b.Skip(6)
	f("6 skipped", 1, false)
	b.Skip(1)
	f("all", 0, true)

	// The largest length is still a length, not "until close".
	b.Reset(httpmsg.BodyLength, math.MaxInt64)
	b.Skip(math.MaxInt64)
	f("largest length", 0, true)

	b.Reset(httpmsg.BodyClose, 0)
	b.Skip(1 << 40)
	f("until close", math.MaxInt64, false)

	b.Reset(httpmsg.BodyChunked, 0)
	f("chunked", 0, false)
	b.Decode([]byte("ff"))
	f("a size that is still arriving", 0, false)
	b.Decode([]byte("\r\nab"))
	f("in a chunk", 253, false)
	b.Skip(253)
	f("after its data", 0, false)
	if p, n, done, r := b.Decode([]byte("\r\n0\r\n\r\n")); p != 0 || n != 7 || !done || r != 0 {
		t.Errorf("end: %d %d %v %v", p, n, done, r)
	}
	f("end", 0, true)

	defer func() {
		if recover() == nil {
			t.Error("Skip beyond Remaining did not panic")
		}
	}()
	b.Skip(1)
}

func TestBodyReuse(t *testing.T) {
	var b Body
	b.Reset(httpmsg.BodyChunked, 0)
	if _, _, done, _ := b.Decode([]byte("0;abc\r\nA: b\r\n\r\n")); !done || len(b.Trailers()) == 0 {
		t.Fatal("no trailers")
	}
	b.Reset(httpmsg.BodyChunked, 0)
	if _, _, _, r := b.Decode([]byte("z")); r != BadChunkSize {
		t.Fatal(r)
	}
	b.Reset(httpmsg.BodyChunked, 0)
	p := []byte("1\r\nx\r\n0\r\n\r\n")
	if n, _, done, r := b.Decode(p); n != 1 || !done || r != 0 || len(b.Trailers()) != 0 {
		t.Errorf("after Reset: %d, %v, %v, trailers %q", n, done, r, b.Trailers())
	}
}

func TestAppendChunkHeader(t *testing.T) {
	for _, n := range []int{1, 9, 10, 15, 16, 255, 256, 4096, 65535, 1<<31 - 1, math.MaxInt64} {
		if got, want := string(AppendChunkHeader([]byte("x"), n)), fmt.Sprintf("x%x\r\n", n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestDecodeAllocs(t *testing.T) {
	body := []byte("5;a=b\r\nhello\r\n1\r\nx\r\n0\r\n\r\n")
	buf := make([]byte, len(body))
	header := make([]byte, 0, 32)
	var b Body
	if n := testing.AllocsPerRun(100, func() {
		copy(buf, body)
		b.Reset(httpmsg.BodyChunked, 0)
		if _, _, done, _ := b.Decode(buf); !done {
			t.Error("not done")
		}
		b.Reset(httpmsg.BodyLength, 5)
		b.Decode(buf)
		header = AppendChunkHeader(header[:0], 12345)
	}); n != 0 {
		t.Errorf("%v allocs, want 0", n)
	}
}

package system

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"
)

// newStream returns size bytes, always the same for one size.
func newStream(size int64) io.Reader {
	var seed [32]byte
	for i := range 8 {
		seed[i] = byte(size >> (8 * i))
	}
	return io.LimitReader(rand.NewChaCha8(seed), size)
}

// download is a response body that is read bit by bit: it stays under way while
// other things happen.
type download struct {
	path string
	size int64

	resp *http.Response
	hash hash.Hash
	read int64
}

func (l *download) begin(t testing.TB, d *daemon) {
	t.Helper()
	c := d.dial(t)
	c.SetDeadline(time.Now().Add(4 * patience))
	if _, err := c.Write(get(l.path)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusOK || resp.ContentLength != l.size {
		t.Fatalf("download: %v, %v", resp, err)
	}
	l.resp, l.hash = resp, sha256.New()
}

// take reads n bytes more.
func (l *download) take(t testing.TB, n int64) {
	t.Helper()
	m, err := io.CopyN(l.hash, l.resp.Body, n)
	l.read += m
	if err != nil {
		t.Fatalf("download, after %d of %d bytes: %v", l.read, l.size, err)
	}
}

// end reads the rest and returns the hash of everything.
func (l *download) end(t testing.TB) string {
	t.Helper()
	l.take(t, l.size-l.read)
	if n, err := l.resp.Body.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		t.Errorf("after the download: %d bytes, %v", n, err)
	}
	return hex.EncodeToString(l.hash.Sum(nil))
}

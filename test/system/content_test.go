package system

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// file is one of the files that targets serve.
type file struct {
	name string // the size in bytes
	path string
	size int64
	sum  string // SHA-256
}

// sizes are around what buffers, heads and chunk headers make interesting; the
// last is far above the size from which bodies are spliced.
func sizes() []int64 {
	all := []int64{0, 1, 127, 128, 16384, 65535, 65536, 1 << 20}
	if !testing.Short() {
		all = append(all, 50<<20)
	}
	return all
}

// makeFiles makes dir/files/SIZE for all sizes and returns the directory files.
func makeFiles(t testing.TB) (dir string, files []file) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "files")
	mkdir(t, dir)
	for _, size := range sizes() {
		f := file{name: fmt.Sprint(size), size: size}
		f.path = filepath.Join(dir, f.name)
		f.sum = randomFile(t, f.path, size)
		files = append(files, f)
	}
	return dir, files
}

// sumOf returns the SHA-256 of a file.
func sumOf(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer f.Close()
	s, _ := sumAll(f)
	return s
}

func sumAll(r io.Reader) (string, error) {
	h := sha256.New()
	_, err := io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), err
}

// request makes a request by net/http and returns the response with the SHA-256
// of its body.
func request(c *http.Client, method, url string, body io.Reader, length int64) (*http.Response, string, error) {
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return nil, "", err
	}
	if body != nil {
		req.ContentLength = length
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	sum, err := sumAll(resp.Body)
	return resp, sum, err
}

func mkdir(t testing.TB, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

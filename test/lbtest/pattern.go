package lbtest

import (
	"bytes"
	"fmt"
	"sync"
)

// patterns is the longest pattern that was asked for.
var patterns struct {
	sync.Mutex
	data []byte
}

// pattern is a body of n bytes in which every 16 bytes say where they are, so
// that a lost or moved piece is found. The caller must not change it.
func pattern(n int) []byte {
	patterns.Lock()
	defer patterns.Unlock()
	for at := len(patterns.data); at < n; at += 16 {
		var line [16]byte
		for i, v := 14, at; i >= 0; i, v = i-1, v>>4 {
			line[i] = "0123456789abcdef"[v&15]
		}
		line[15] = '\n'
		patterns.data = append(patterns.data, line[:]...)
	}
	return patterns.data[:n:n]
}

// checkPattern says where b differs from pattern(n); "" if it does not.
func checkPattern(b []byte, n int) string {
	want := pattern(n)
	if bytes.Equal(b, want) {
		return ""
	}
	for i := range min(len(b), n) {
		if b[i] != want[i] {
			return fmt.Sprintf("byte %d is %q, want %q; the 16 around it: %q", i, b[i], want[i], b[i&^15:min(len(b), i&^15+16)])
		}
	}
	return fmt.Sprintf("%d bytes, want %d", len(b), n)
}

package application

import (
	"testing"
	"unsafe"
)

// TestEpoch has the wall clock set while requests come.
func TestEpoch(t *testing.T) {
	wall := int64(1000e9)
	s := NewServer(func() int64 { return wall }, nil, nil)
	f := func(now, want int64) {
		t.Helper()
		if got := s.epochAt(now); got != want {
			t.Errorf("at %d: %d, want %d", now, got, want)
		}
	}
	f(0, 1000e9)
	wall += 3600e9
	f(anchorInterval-1, 1000e9) // not looked at again yet
	f(anchorInterval, 4600e9)
	wall -= 7200e9
	f(2*anchorInterval-1, 4600e9)
	f(5*anchorInterval, -2600e9)
	f(0, -2600e9) // a worker that is late
}

// TestConnSize pins what the data path adds to a parked connection: the whole is
// the allocator's class of 128 bytes, the next is 144.
func TestConnSize(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 128 {
		t.Errorf("a connection takes %d bytes, want at most 128", n)
	}
}

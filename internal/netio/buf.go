package netio

import "sync"

// BufSize is the size of a Buf. Bodies of 16 KiB cost 20 µs with it, and 34 µs
// with 16 KiB buffers.
const BufSize = 64 << 10

// Buf is a buffer with exactly one owner: whoever got it from GetBuf, until
// PutBuf.
type Buf [BufSize]byte

var bufs = sync.Pool{New: func() any { return new(Buf) }}

// GetBuf takes a buffer. Its content is whatever its last owner left.
func GetBuf() *Buf { return bufs.Get().(*Buf) }

// PutBuf gives a buffer back. The caller must not keep a slice of it.
func PutBuf(b *Buf) { bufs.Put(b) }

package netio

import "sync/atomic"

// maxDescriptors bounds the descriptor table: Linux's default fs.nr_open.
const maxDescriptors = 1 << 20

// tableChunk is how many descriptors share one allocation of the table.
const tableChunk = 1 << 12

// table finds the Conn of a descriptor. Chunks are made on first use and kept.
type table struct {
	chunks []atomic.Pointer[[tableChunk]atomic.Pointer[Conn]]
	live   atomic.Int64
}

func (t *table) init(descriptors uint64) {
	t.chunks = make([]atomic.Pointer[[tableChunk]atomic.Pointer[Conn]], (descriptors+tableChunk-1)/tableChunk)
}

func (t *table) get(fd int32) *Conn {
	if chunk := t.chunks[uint32(fd)/tableChunk].Load(); chunk != nil {
		return chunk[uint32(fd)%tableChunk].Load()
	}
	return nil
}

// set enters c; false if the descriptor is beyond the table.
func (t *table) set(fd int32, c *Conn) bool {
	i := uint32(fd) / tableChunk
	if int(i) >= len(t.chunks) {
		return false
	}
	chunk := t.chunks[i].Load()
	if chunk == nil {
		t.chunks[i].CompareAndSwap(nil, new([tableChunk]atomic.Pointer[Conn]))
		chunk = t.chunks[i].Load()
	}
	chunk[uint32(fd)%tableChunk].Store(c)
	t.live.Add(1)
	return true
}

func (t *table) clear(fd int32) {
	t.chunks[uint32(fd)/tableChunk].Load()[uint32(fd)%tableChunk].Store(nil)
	t.live.Add(-1)
}

// each calls f for every registered connection; not for listening sockets.
func (t *table) each(f func(*Conn)) {
	for i := range t.chunks {
		chunk := t.chunks[i].Load()
		if chunk == nil {
			continue
		}
		for j := range chunk {
			if c := chunk[j].Load(); c != nil && c.loop != nil {
				f(c)
			}
		}
	}
}

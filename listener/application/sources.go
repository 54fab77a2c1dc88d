package application

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
)

// sources counts the open connections of each client address, in a count-min
// sketch: each address has one counter in every row, shared with others, and its
// count is the smallest of them. So a count is never too low, and too high only
// if in every row somebody else has the same counter: with 10,000 connections
// from different addresses that is one address in a hundred, by one or two. It
// takes neither a lock nor memory for an address, so a flood of addresses costs
// no more than one.
type sources struct {
	seed maphash.Seed
	rows [sketchRows][sketchWidth]atomic.Int32
}

// The size of the sketch: 256 KiB, made when the first limit is configured.
const (
	sketchRows  = 4
	sketchBits  = 14
	sketchWidth = 1 << sketchBits
)

func newSources() *sources { return &sources{seed: maphash.MakeSeed()} }

// source is what is counted: the connections of an address to a listener.
type source struct {
	listener string
	addr     [16]byte
}

// key returns the number under which a client of a listener is counted; never 0.
// An IPv6 client has its whole /64 to come from, so that is what is counted.
func (s *sources) key(listener string, a netip.Addr) uint32 {
	k := source{listener, a.As16()}
	if a.Is6() {
		clear(k.addr[8:])
	}
	return uint32(maphash.Comparable(s.seed, k)) | 1
}

// add counts a connection and returns how many there are now.
func (s *sources) add(key uint32) int32 {
	least := int32(1<<31 - 1)
	for i := range s.rows {
		least = min(least, s.counter(i, key).Add(1))
	}
	return least
}

// remove takes a connection off that add counted.
func (s *sources) remove(key uint32) {
	for i := range s.rows {
		s.counter(i, key).Add(-1)
	}
}

// counter is the one of key in row i: each row goes by other bits.
func (s *sources) counter(i int, key uint32) *atomic.Int32 {
	return &s.rows[i][mix(uint64(key))>>(i*sketchBits)%sketchWidth]
}

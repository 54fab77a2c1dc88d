package metrics

import "sync/atomic"

// cacheLine is the unit by which shards are padded. Two 64-byte lines, because
// the adjacent-line prefetcher of x86 pulls lines in pairs and arm64 servers
// have 128-byte lines.
const cacheLine = 128

// Counter is a count that only grows. The zero value is ready to use; it must
// not be copied. Every method is safe for concurrent use, and cheap as long as
// one event loop writes and only the scrape reads.
type Counter struct{ v atomic.Uint64 }

// Inc adds one.
func (c *Counter) Inc() { c.v.Add(1) }

// Add adds n.
func (c *Counter) Add(n uint64) { c.v.Add(n) }

// Load returns the current value.
func (c *Counter) Load() uint64 { return c.v.Load() }

// Gauge is a level that rises and falls. One shard's value may be negative,
// when what rose on one event loop fell on another; only the sum over all
// shards means something. The zero value is ready to use.
type Gauge struct{ v atomic.Int64 }

// Inc adds one.
func (g *Gauge) Inc() { g.v.Add(1) }

// Dec subtracts one.
func (g *Gauge) Dec() { g.v.Add(-1) }

// Add adds n, which may be negative.
func (g *Gauge) Add(n int64) { g.v.Add(n) }

// Load returns the current value of this shard.
func (g *Gauge) Load() int64 { return g.v.Load() }

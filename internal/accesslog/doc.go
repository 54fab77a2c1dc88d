// Package accesslog writes one line per request, in the format of the access
// logs of an Application Load Balancer or as JSON, off the request path.
//
// A Record is a value that its caller fills while a request runs. Append
// formats it straight into the buffer of the caller's event loop; nothing is
// allocated and nothing is written. One goroutine swaps buffers that are half
// full, or that have waited for the flush interval, and writes them:
//
//	Append(shard, record)        request path: lock of this shard, format, unlock
//	   active buffer ──half full or interval──▶ writer goroutine ──▶ file, pipe
//	   spare buffer  ◀──────────written───────
//
// A request never waits for the log. When the disk is full or the reader of the
// pipe stands still, both buffers of a shard fill up; further lines are dropped
// and counted, and OnError hears of it once per minute. What was partly
// written is continued at the same byte, so a line is never torn and never
// mixed with another. This is the promise of ELB's own logs: best effort.
//
// Lines of different shards are in the order of their buffers, not of their
// times; ELB, which delivers one file per node, promises no order either.
//
// Whatever a client sends, one record is one line with exactly Fields fields:
// see the escaping rules at appendEscaped.
package accesslog

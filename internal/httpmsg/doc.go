// Package httpmsg holds the parsed form of an HTTP message head: spans into the
// buffer that the bytes arrived in, never copies.
//
// A codec (internal/http1, internal/http2) fills a [Head]; the proxy reads it,
// marks the fields that must not go on, and writes what is kept as runs of the
// original bytes with its own lines between them. A Head is therefore valid
// exactly as long as its buffer is: whoever releases or overwrites the buffer
// ends the life of every Span.
//
// Field names that the data path or the rules care about have a [FieldID],
// found by one multiplication and three word compares ([Identify]); the first
// occurrence of each is indexed, so [Head.Get] is O(1). All other names are
// looked up by comparing lengths, then bytes ([Head.NextNamed]).
//
// The package also holds the tables that say what a field name means to an
// intermediary: consumed by this hop, never removable through Connection, not
// allowed in a trailer section ([FieldID.HopByHop], [Protected],
// [TrailerForbidden]). It does no I/O and judges no syntax; that is the codec's work.
package httpmsg

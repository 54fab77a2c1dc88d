// Package http1 reads HTTP/1.0 and HTTP/1.1 messages in place (RFC 9112): heads
// into an [httpmsg.Head], bodies with a [Body].
//
// It is the one parser that decides where a message begins and ends. It accepts
// what has exactly one reading, refuses the rest with a [Refusal] that names
// the reason, and repairs nothing; what it accepts is written anew by the proxy from
// what was parsed. It does no I/O, keeps no buffer and, trailers apart, allocates
// nothing.
//
// # The life of a message
//
// Bytes arrive in a buffer of the caller's. [ParseRequest] or [ParseResponse] is
// tried on all of it; if it wants more, [HeadComplete] says cheaply when trying
// again is worth while. The accepted head's Body and ContentLength go to
// [Body.Reset]; every further piece goes through [Body.Decode], which moves the
// payload to the front of the piece, or past it by [Body.Skip] where the payload
// never enters user space. What Decode did not consume begins the next message.
//
// The answer depends on the bytes alone, never on how they were split; the tests hold
// every case to that.
//
// # What is refused
//
//   - Lines end with CRLF. A bare LF or CR anywhere in a head or in chunk framing
//     is refused, and so is NUL and every other control byte but HTAB in a value.
//     One empty line before a request line is skipped (section 2.2), not two.
//   - A method is a token. A target is origin-form, absolute-form with http or
//     https, authority-form for CONNECT only (with a port), or "*" for
//     OPTIONS only. It has no byte outside ! to ~ and no '#'; other bytes that RFC 3986
//     would have encoded, such as '|' or '{', do occur and cannot change
//     where anything ends, so they pass. HTTP/1.0 and HTTP/1.1 are spelt exactly so;
//     any other version is 505, anything else 400.
//   - A field line is token, colon, value: no white space before the colon, no
//     folding, no empty name. Sizes are bounded by [Limits] and httpmsg.MaxFields.
//   - Content-Length comes once and is digits up to 2^63-1; not a list, not twice
//     though equal. Transfer-Encoding comes once and is "chunked"; other
//     codings are 501, malformed lists 400. Both together are refused, and so
//     is Transfer-Encoding on HTTP/1.0.
//   - Host comes exactly once on HTTP/1.1 and at most once on HTTP/1.0, and is
//     host[:port] without userinfo. An absolute-form target overrides it.
//   - Responses are held to the same, except that the space before an empty reason
//     may be missing, and that Host means nothing in them.
//   - A chunk size is 1 to 16 hex digits up to 2^63-1 with nothing around
//     them: the white space that RFC 9112 lets a recipient accept before an extension
//     is refused. Extensions are checked for control bytes, bounded and thrown
//     away. Trailer lines are checked like fields, and those that a recipient
//     must not merge into the head are dropped.
//
// Where net/http reads things differently is listed in the tests and in
// testdata/README.md.
package http1

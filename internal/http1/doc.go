// Package http1 reads HTTP/1.0 and HTTP/1.1 messages in place (RFC 9112): heads
// into an [httpmsg.Head], bodies with [Body].
//
// It is the one parser that decides where a message begins and ends. It
// accepts what has exactly one reading, refuses the rest with a [Refusal], and
// repairs nothing.
package http1

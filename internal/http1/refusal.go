package http1

import "net/http"

// Refusal says why a message is not accepted; 0 means that it is. It is a value,
// not an error: refusing must not allocate.
//
// What ParseResponse returns carries a mark, so that Status is 502 whatever the
// reason; Reason takes it off for comparing and counting.
type Refusal uint8

const (
	Accepted Refusal = iota

	// Start line.

	BadMethod          // empty, or not a token
	BadUri             // byte not allowed in a target, or no valid form of target for the method
	UriTooLong         // request line longer than Limits.RequestLine
	BadVersion         // not "HTTP/" and a version
	UnsupportedVersion // a version, but not 1.0 or 1.1
	BadStatusLine      // response: not "HTTP/1.x ddd reason"
	BadLineEnding      // bare LF or bare CR anywhere in a head

	// Fields.

	BadHeader                // no colon, empty name, white space or other non-token byte in a name, control byte in a value
	MultilineHeader          // obs-fold: a line that begins with white space
	HeaderTooLarge           // one line longer than Limits.Field
	HeadTooLarge             // the head longer than Limits.Head or Limits.ResponseHead
	TooManyHeaders           // more than httpmsg.MaxFields lines
	TooManyConnectionOptions // more than MaxConnectionOptions

	// Framing.

	BadContentLength            // not 1*DIGIT up to 2^63-1
	MultipleContentLength       // twice, though equal
	BadTransferEncoding         // malformed, twice, or chunked not last
	UnsupportedTransferEncoding // well formed, but more than chunked
	UndefinedTransferEncoding   // Transfer-Encoding on HTTP/1.0
	BothTeClPresent             // Transfer-Encoding and Content-Length

	// Host.

	MissingHost  // HTTP/1.1 without Host
	MultipleHost // Host twice
	BadHost      // not host[:port]

	// Chunked body.

	BadChunkSize     // no digit, or a byte that is neither digit, ';' nor CR
	ChunkTooLarge    // more than MaxChunkDigits digits or 2^63-1
	BadChunkExt      // control byte in a chunk extension
	ChunkExtTooLong  // more than MaxChunkExt bytes of extensions in a body
	BadChunkEnd      // no CRLF after a chunk's line or data
	BadTrailer       // malformed trailer line
	TrailersTooLarge // trailer section longer than MaxTrailers

	numRefusals

	// fromTarget marks a refused response.
	fromTarget Refusal = 0x80
)

// NumRefusals is how many values Reason can have, for tables of counters.
const NumRefusals = int(numRefusals)

var refusals = [numRefusals]struct {
	word   string
	status uint16
}{
	Accepted:                 {"Accepted", 0},
	BadMethod:                {"BadMethod", http.StatusBadRequest},
	BadUri:                   {"BadUri", http.StatusBadRequest},
	UriTooLong:               {"UriTooLong", http.StatusRequestURITooLong},
	BadVersion:               {"BadVersion", http.StatusBadRequest},
	UnsupportedVersion:       {"UnsupportedVersion", http.StatusHTTPVersionNotSupported},
	BadStatusLine:            {"BadStatusLine", http.StatusBadGateway},
	BadLineEnding:            {"BadLineEnding", http.StatusBadRequest},
	BadHeader:                {"BadHeader", http.StatusBadRequest},
	MultilineHeader:          {"MultilineHeader", http.StatusBadRequest},
	HeaderTooLarge:           {"HeaderTooLarge", http.StatusBadRequest},
	HeadTooLarge:             {"HeadTooLarge", http.StatusBadRequest},
	TooManyHeaders:           {"TooManyHeaders", http.StatusBadRequest},
	TooManyConnectionOptions: {"TooManyConnectionOptions", http.StatusBadRequest},
	BadContentLength:         {"BadContentLength", http.StatusBadRequest},
	MultipleContentLength:    {"MultipleContentLength", http.StatusBadRequest},
	BadTransferEncoding:      {"BadTransferEncoding", http.StatusBadRequest},
	// 501 is both ELB's and RFC 9112 section 6.1's answer.
	UnsupportedTransferEncoding: {"UnsupportedTransferEncoding", http.StatusNotImplemented},
	UndefinedTransferEncoding:   {"UndefinedTransferEncoding", http.StatusBadRequest},
	BothTeClPresent:             {"BothTeClPresent", http.StatusBadRequest},
	MissingHost:                 {"MissingHost", http.StatusBadRequest},
	MultipleHost:                {"MultipleHost", http.StatusBadRequest},
	BadHost:                     {"BadHost", http.StatusBadRequest},
	BadChunkSize:                {"BadChunkSize", http.StatusBadRequest},
	ChunkTooLarge:               {"ChunkTooLarge", http.StatusBadRequest},
	BadChunkExt:                 {"BadChunkExt", http.StatusBadRequest},
	ChunkExtTooLong:             {"ChunkExtTooLong", http.StatusBadRequest},
	BadChunkEnd:                 {"BadChunkEnd", http.StatusBadRequest},
	BadTrailer:                  {"BadTrailer", http.StatusBadRequest},
	TrailersTooLarge:            {"TrailersTooLarge", http.StatusBadRequest},
}

// Status returns the status to answer with: ELB's for a request, 502 for a
// response that ParseResponse refused, 0 for Accepted. Oversized heads are
// 400 as with ELB, not RFC 6585's 431. Body.Decode does not know its side; whoever
// decodes a target's response answers 502 if it still can.
func (r Refusal) Status() int {
	if r&fromTarget != 0 {
		return http.StatusBadGateway
	}
	return int(refusals[r].status)
}

// String returns the reason as one word for logs and metrics.
func (r Refusal) String() string { return refusals[r.Reason()].word }

// Reason returns r without the mark of a response: one of the constants.
func (r Refusal) Reason() Refusal { return r &^ fromTarget }

package http1

// Limits bounds heads, in bytes. All must be positive; a Limits must not change
// while it is in use.
type Limits struct {
	RequestLine  int // request line without its CRLF
	Field        int // one field line of a request without its CRLF
	Head         int // a request's head with everything, including its empty line
	ResponseHead int // a response's head likewise; its lines have no limit of their own
}

// DefaultLimits are ELB's (Application Load Balancers guide, quotas: HTTP headers).
var DefaultLimits = Limits{
	RequestLine:  16 << 10,
	Field:        16 << 10,
	Head:         64 << 10,
	ResponseHead: 32 << 10,
}

const (
	// MaxConnectionOptions is how many options all Connection fields of a head
	// may list. Each is compared with every field, so it bounds work: real ones
	// have one to three.
	MaxConnectionOptions = 32

	// MaxChunkDigits is how many hex digits, leading zeros included, a chunk
	// size may have: those of a 64-bit number.
	MaxChunkDigits = 16

	// MaxChunkExt is how many bytes of chunk extensions one body may have. They
	// mean nothing here and are not forwarded.
	MaxChunkExt = 4096

	// MaxTrailers is how many bytes a trailer section may have, including lines
	// that are then dropped.
	MaxTrailers = 16 << 10
)

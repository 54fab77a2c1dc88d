package accesslog

import "net/netip"

// Type is the kind of request or connection: field 1.
type Type uint8

const (
	TypeHTTP  Type = iota // HTTP/1 in the clear
	TypeHTTPS             // HTTP/1 over TLS
	TypeH2                // HTTP/2 over TLS
	TypeGRPCS             // gRPC over TLS
	TypeWS                // WebSocket
	TypeWSS               // WebSocket over TLS
)

var typeNames = [...]string{"http", "https", "h2", "grpcs", "ws", "wss"}

// String returns the type as the log spells it.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "-"
}

// scheme returns the scheme of the URL in the request line.
func (t Type) scheme() string {
	if t == TypeHTTP || t == TypeWS {
		return "http"
	}
	return "https"
}

// Values of Record.RulePriority other than a rule's priority.
const (
	DefaultRule = 0  // the default actions
	RuleError   = -1 // evaluating the rules failed
	NoRule      = -2 // no rule was evaluated; logged as "-"
)

// NotDispatched as a processing time says that the request never got that far;
// it is logged as -1.
const NotDispatched = -1

// Fields is the number of fields of a line.
const Fields = 34

// Record is what one line says (ELB guide, "Access logs for your Application
// Load Balancer"). Append reads it and keeps nothing of it. An empty string or
// slice, an invalid address and a zero status are logged as "-".
//
// The zero value says that a default rule matched and that the request took no
// time; callers start from Reset.
type Record struct {
	Type         Type
	Time         int64          // when the response was generated, or a WebSocket closed; Unix time in ns
	CreationTime int64          // when the request's first byte came; Unix time in ns
	ELB          string         // the end of its ARN: app/NAME/ID
	Client       netip.AddrPort // the peer of the connection, or who a trusted proxy says is behind it
	Target       netip.AddrPort // also gives target:port_list

	// Durations in ns; negative is logged as -1.
	RequestTime  int64 // from the first byte of the request until it was sent to the target
	TargetTime   int64 // from then until the target started to answer
	ResponseTime int64 // from then until the response head was sent to the client

	ELBStatus     int // 460 included; 0 when no status was sent
	TargetStatus  int // also gives target_status_code_list
	ReceivedBytes int64
	SentBytes     int64

	// The request line is Method, Type's scheme, Host, Port, URI, Protocol.
	Method   []byte
	Host     []byte // without a port
	Port     uint16 // of the listener
	URI      []byte // path and query as received
	Protocol string // such as "HTTP/1.1"

	UserAgent    []byte
	SSLCipher    string
	SSLProtocol  string
	TargetGroup  string // the end of its ARN: targetgroup/NAME/ID
	TraceID      []byte // the X-Amzn-Trace-Id header
	DomainName   string // SNI
	ChosenCert   string // or "session-reused"
	RulePriority int    // 1 to 50000, or DefaultRule, RuleError, NoRule
	Actions      string // comma-separated, such as "waf,forward"
	RedirectURL  []byte
	ErrorReason  string

	Classification       string // Acceptable, Ambiguous or Severe
	ClassificationReason string
	ConnTraceID          []byte // TID_ and 32 hexadecimal digits

	TransformedHost []byte
	TransformedURI  []byte
	TransformStatus string
	Node            netip.Addr // the address of ours that the client connected to
}

// Reset makes r the record of a request of which nothing is known yet: no rule,
// no target, no times.
func (r *Record) Reset() {
	*r = Record{
		RequestTime:  NotDispatched,
		TargetTime:   NotDispatched,
		ResponseTime: NotDispatched,
		RulePriority: NoRule,
	}
}

// Limits on what one field may take in a line, in bytes after escaping. A field
// is cut at the last character that fits whole. ELB documents 8 KB for the
// user agent; the URI's is ELB's limit on a request line (16 KB).
const (
	maxMethod    = 128
	maxHost      = 1 << 10
	maxURI       = 16 << 10
	maxUserAgent = 8 << 10
	maxTraceID   = 8 << 10
	maxRedirect  = 16 << 10
	maxWord      = 512 // names and words of our own: 12 fields and the protocol

	// maxFixed bounds all that has no limit of its own: addresses, numbers,
	// times, spaces, quotes, and the keys of JSON.
	maxFixed = 2 << 10

	// maxLine bounds a line, so that a buffer with this much room never grows.
	maxLine = maxMethod + 2*maxHost + 2*maxURI + maxUserAgent + maxTraceID + maxRedirect + 13*maxWord + maxFixed
)

// room returns how many bytes the line of r takes at most. growth is how long
// one byte can become by escaping.
func (r *Record) room(growth int) int {
	n := maxFixed
	n += min(growth*len(r.Method), maxMethod)
	n += min(growth*len(r.Host), maxHost) + min(growth*len(r.TransformedHost), maxHost)
	n += min(growth*len(r.URI), maxURI) + min(growth*len(r.TransformedURI), maxURI)
	n += min(growth*len(r.UserAgent), maxUserAgent)
	n += min(growth*len(r.TraceID), maxTraceID)
	n += min(growth*len(r.RedirectURL), maxRedirect)
	n += min(growth*len(r.ConnTraceID), maxWord)
	for _, s := range [...]*string{
		&r.ELB, &r.Protocol, &r.SSLCipher, &r.SSLProtocol, &r.TargetGroup, &r.DomainName, &r.ChosenCert, &r.Actions,
		&r.ErrorReason, &r.Classification, &r.ClassificationReason, &r.TransformStatus,
	} {
		n += min(growth*len(*s), maxWord)
	}
	return n
}

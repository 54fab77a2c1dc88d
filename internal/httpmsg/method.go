package httpmsg

// Method is a request method. Methods are case-sensitive (RFC 9110 section 9.1).
type Method uint8

const (
	MethodOther Method = iota // any other token; see Head.Method for its bytes
	MethodGet
	MethodHead
	MethodPost
	MethodPut
	MethodDelete
	MethodConnect
	MethodOptions
	MethodTrace
	MethodPatch
)

var methodNames = [...]string{
	MethodGet: "GET", MethodHead: "HEAD", MethodPost: "POST", MethodPut: "PUT", MethodDelete: "DELETE",
	MethodConnect: "CONNECT", MethodOptions: "OPTIONS", MethodTrace: "TRACE", MethodPatch: "PATCH",
}

// LookupMethod returns the method with the given name.
func LookupMethod(name []byte) Method {
	switch string(name) {
	case "GET":
		return MethodGet
	case "HEAD":
		return MethodHead
	case "POST":
		return MethodPost
	case "PUT":
		return MethodPut
	case "DELETE":
		return MethodDelete
	case "CONNECT":
		return MethodConnect
	case "OPTIONS":
		return MethodOptions
	case "TRACE":
		return MethodTrace
	case "PATCH":
		return MethodPatch
	}
	return MethodOther
}

// String returns the method's name, "" for MethodOther.
func (m Method) String() string { return methodNames[m] }

// Safe reports whether the method asks for no change of state (RFC 9110 section 9.2.1).
// An unknown method is not safe.
func (m Method) Safe() bool {
	switch m {
	case MethodGet, MethodHead, MethodOptions, MethodTrace:
		return true
	}
	return false
}

// Idempotent reports whether sending the request twice means the same as sending
// it once (RFC 9110 section 9.2.2), so that it may be retried. An
// unknown method is not idempotent.
func (m Method) Idempotent() bool {
	return m == MethodPut || m == MethodDelete || m.Safe()
}

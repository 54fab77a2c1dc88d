package httpmsg

// FieldID is a field name that this program knows; OtherField is any other.
type FieldID uint8

// The first ids, up to FieldExpect, are those that a parser acts on.
const (
	OtherField FieldID = iota
	FieldHost
	FieldContentLength
	FieldTransferEncoding
	FieldConnection
	FieldKeepAlive
	FieldTE
	FieldUpgrade
	FieldProxyConnection
	FieldHTTP2Settings
	FieldExpect
	FieldTrailer
	FieldXForwardedFor
	FieldXForwardedProto
	FieldXForwardedPort
	FieldXForwardedHost
	FieldXRealIP
	FieldXAmznTraceID
	FieldForwarded
	FieldCookie
	FieldSetCookie
	FieldUserAgent
	FieldDate
	FieldServer
	FieldContentType
	FieldContentEncoding
	FieldContentRange
	FieldRange
	FieldAuthorization
	FieldProxyAuthorization
	FieldProxyAuthenticate
	FieldWWWAuthenticate
	FieldAccept
	FieldAcceptEncoding
	FieldAcceptLanguage
	FieldAcceptRanges
	FieldReferer
	FieldOrigin
	FieldCacheControl
	FieldPragma
	FieldMaxForwards
	FieldIfMatch
	FieldIfNoneMatch
	FieldIfModifiedSince
	FieldIfUnmodifiedSince
	FieldIfRange
	FieldLocation
	FieldETag
	FieldLastModified
	FieldVary
	FieldVia
	FieldAge
	FieldExpires
	FieldRetryAfter
	FieldAllow
	FieldSecFetchSite
	FieldSecFetchMode
	FieldSecFetchDest
	FieldSecWebSocketKey
	FieldSecWebSocketVersion
	FieldSecWebSocketAccept
	FieldSecWebSocketProtocol
	FieldSecWebSocketExtensions

	NumFieldIDs // how many ids there are
)

// What a name means to an intermediary.
const (
	hop       = 1 << iota // consumed by this hop (RFC 9110 section 7.6.1)
	protected             // see Protected
	noTrailer             // see TrailerForbidden
)

// fieldTable holds the known names in lower case and what they mean.
//
// noTrailer follows RFC 9110 section 6.5.1: framing, routing, request modifiers,
// authentication, content format, response control; and what a load balancer
// vouches for.
var fieldTable = [NumFieldIDs]struct {
	name  string
	flags uint8
}{
	FieldHost:                   {"host", protected | noTrailer},
	FieldContentLength:          {"content-length", protected | noTrailer},
	FieldTransferEncoding:       {"transfer-encoding", hop | protected | noTrailer},
	FieldConnection:             {"connection", hop | noTrailer},
	FieldKeepAlive:              {"keep-alive", hop | noTrailer},
	FieldTE:                     {"te", hop | noTrailer},
	FieldUpgrade:                {"upgrade", hop | noTrailer},
	FieldProxyConnection:        {"proxy-connection", hop | noTrailer},
	FieldHTTP2Settings:          {"http2-settings", hop | noTrailer},
	FieldExpect:                 {"expect", protected | noTrailer},
	FieldTrailer:                {"trailer", noTrailer},
	FieldXForwardedFor:          {"x-forwarded-for", protected | noTrailer},
	FieldXForwardedProto:        {"x-forwarded-proto", protected | noTrailer},
	FieldXForwardedPort:         {"x-forwarded-port", protected | noTrailer},
	FieldXForwardedHost:         {"x-forwarded-host", protected | noTrailer},
	FieldXRealIP:                {"x-real-ip", protected | noTrailer},
	FieldXAmznTraceID:           {"x-amzn-trace-id", protected | noTrailer},
	FieldForwarded:              {"forwarded", protected | noTrailer},
	FieldCookie:                 {"cookie", protected | noTrailer},
	FieldSetCookie:              {"set-cookie", protected | noTrailer},
	FieldUserAgent:              {"user-agent", protected},
	FieldDate:                   {"date", protected | noTrailer},
	FieldServer:                 {"server", protected},
	FieldContentType:            {"content-type", protected | noTrailer},
	FieldContentEncoding:        {"content-encoding", protected | noTrailer},
	FieldContentRange:           {"content-range", protected | noTrailer},
	FieldRange:                  {"range", protected | noTrailer},
	FieldAuthorization:          {"authorization", protected | noTrailer},
	FieldProxyAuthorization:     {"proxy-authorization", noTrailer},
	FieldProxyAuthenticate:      {"proxy-authenticate", noTrailer},
	FieldWWWAuthenticate:        {"www-authenticate", protected | noTrailer},
	FieldAccept:                 {"accept", protected},
	FieldAcceptEncoding:         {"accept-encoding", protected},
	FieldAcceptLanguage:         {"accept-language", protected},
	FieldAcceptRanges:           {"accept-ranges", protected},
	FieldReferer:                {"referer", protected},
	FieldOrigin:                 {"origin", protected | noTrailer},
	FieldCacheControl:           {"cache-control", protected | noTrailer},
	FieldPragma:                 {"pragma", protected | noTrailer},
	FieldMaxForwards:            {"max-forwards", protected | noTrailer},
	FieldIfMatch:                {"if-match", protected | noTrailer},
	FieldIfNoneMatch:            {"if-none-match", protected | noTrailer},
	FieldIfModifiedSince:        {"if-modified-since", protected | noTrailer},
	FieldIfUnmodifiedSince:      {"if-unmodified-since", protected | noTrailer},
	FieldIfRange:                {"if-range", protected | noTrailer},
	FieldLocation:               {"location", protected | noTrailer},
	FieldETag:                   {"etag", protected},
	FieldLastModified:           {"last-modified", protected},
	FieldVary:                   {"vary", protected | noTrailer},
	FieldVia:                    {"via", protected},
	FieldAge:                    {"age", protected | noTrailer},
	FieldExpires:                {"expires", protected | noTrailer},
	FieldRetryAfter:             {"retry-after", protected | noTrailer},
	FieldAllow:                  {"allow", protected},
	FieldSecFetchSite:           {"sec-fetch-site", protected},
	FieldSecFetchMode:           {"sec-fetch-mode", protected},
	FieldSecFetchDest:           {"sec-fetch-dest", protected},
	FieldSecWebSocketKey:        {"sec-websocket-key", protected | noTrailer},
	FieldSecWebSocketVersion:    {"sec-websocket-version", protected | noTrailer},
	FieldSecWebSocketAccept:     {"sec-websocket-accept", protected | noTrailer},
	FieldSecWebSocketProtocol:   {"sec-websocket-protocol", protected | noTrailer},
	FieldSecWebSocketExtensions: {"sec-websocket-extensions", protected | noTrailer},
}

// String returns the name in lower case, "" for OtherField.
func (id FieldID) String() string { return fieldTable[id].name }

// HopByHop reports whether the field is meant for this hop alone and so is never
// forwarded: Connection, Keep-Alive, Proxy-Connection, TE, Transfer-Encoding,
// Upgrade, HTTP2-Settings.
func (id FieldID) HopByHop() bool { return fieldTable[id].flags&hop != 0 }

// Protected reports whether a sender cannot have the field removed by naming it
// in Connection. That mechanism is meant for fields private to a hop (RFC 9110
// section 7.6.1 says never to list one that is for all recipients); attackers use
// it to strip what the next hop trusts or needs. So every field that has
// an id is protected except those of the hop itself, Trailer and Proxy-*, and
// so are all names that begin with X-Forwarded-, X-Amzn- or X-Amz-.
//
// name is the field's name in any case; it is read only if id is OtherField.
func Protected(id FieldID, name []byte) bool {
	if id != OtherField {
		return fieldTable[id].flags&protected != 0
	}
	return vouched(name)
}

// TrailerForbidden reports whether the field must not be forwarded from a trailer
// section (RFC 9110 section 6.5.1): a recipient that merged it into the
// head would change framing, routing, authentication or content format after the
// fact. name is as for Protected.
func TrailerForbidden(id FieldID, name []byte) bool {
	if id != OtherField {
		return fieldTable[id].flags&noTrailer != 0
	}
	return vouched(name)
}

// vouched reports whether the name is of a family whose values targets believe
// because a load balancer set them.
func vouched(name []byte) bool {
	return hasPrefixFold(name, "x-forwarded-") || hasPrefixFold(name, "x-amzn-") || hasPrefixFold(name, "x-amz-")
}

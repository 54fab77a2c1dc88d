package desync

// Tier is the class of a request, from harmless to certain trouble.
type Tier uint8

const (
	Compliant  Tier = iota // as the RFCs have it
	Acceptable             // not as the RFCs have it, but no known danger
	Ambiguous              // implementations are known to read it differently
	Severe                 // malformed, or made to be misread
)

// NumTiers is how many tiers there are.
const NumTiers = 4

var tierNames = [NumTiers]string{"Compliant", "Acceptable", "Ambiguous", "Severe"}

// String returns the word of the access log's field classification; the log has
// "-" in place of Compliant.
func (t Tier) String() string { return tierNames[t] }

// Reason says why a request is not compliant. Every reason belongs to one tier.
type Reason uint8

const (
	NoReason Reason = iota // compliant

	GetHeadZeroContentLength // GET or HEAD with Content-Length: 0
	NonCompliantHeader       // byte that a name or value may not have
	NonCompliantVersion      // none, HTTP/0.9, HTTP/1.2 to 1.9, or white space around it
	NonCrLfLineTermination   // a line ends with LF alone
	SpaceInUri

	AmbiguousUri                       // control byte in the URI
	BothTeClPresent                    // Transfer-Encoding and Content-Length
	DuplicateContentLength             // twice, and equal
	EmptyHeader                        // field without a name
	MissingHeaderColon                 // line without a colon
	MissingLastEmptyLine               // the head ends with a field line
	MissingUri                         // request line of less than two words
	MultilineHeader                    // line that begins with white space, other than of Content-Type
	PartialHeaderLine                  // the last line has no end
	SuspiciousHeader                   // name that is nearly Transfer-Encoding or Content-Length
	UndefinedContentLengthSemantics    // Content-Length on GET, HEAD, or below HTTP/1.0
	UndefinedTransferEncodingSemantics // Transfer-Encoding on GET, HEAD, or up to HTTP/1.0

	BadContentLength                // not a number below 2^64
	BadHeader                       // CR, LF or NUL in a name or value
	BadMethod                       // not a token
	BadTransferEncoding             // not a known coding
	BadUri                          // CR, LF or NUL in the URI
	BadVersion                      // not HTTP/1.x
	MultipleContentLength           // twice, and different
	MultipleTransferEncodingChunked // chunked twice in a row

	numReasons
)

var reasons = [numReasons]struct {
	tier Tier
	word string
}{
	NoReason:                           {Compliant, ""},
	GetHeadZeroContentLength:           {Acceptable, "GetHeadZeroContentLength"},
	NonCompliantHeader:                 {Acceptable, "NonCompliantHeader"},
	NonCompliantVersion:                {Acceptable, "NonCompliantVersion"},
	NonCrLfLineTermination:             {Acceptable, "NonCrLfLineTermination"},
	SpaceInUri:                         {Acceptable, "SpaceInUri"},
	AmbiguousUri:                       {Ambiguous, "AmbiguousUri"},
	BothTeClPresent:                    {Ambiguous, "BothTeClPresent"},
	DuplicateContentLength:             {Ambiguous, "DuplicateContentLength"},
	EmptyHeader:                        {Ambiguous, "EmptyHeader"},
	MissingHeaderColon:                 {Ambiguous, "MissingHeaderColon"},
	MissingLastEmptyLine:               {Ambiguous, "MissingLastEmptyLine"},
	MissingUri:                         {Ambiguous, "MissingUri"},
	MultilineHeader:                    {Ambiguous, "MultilineHeader"},
	PartialHeaderLine:                  {Ambiguous, "PartialHeaderLine"},
	SuspiciousHeader:                   {Ambiguous, "SuspiciousHeader"},
	UndefinedContentLengthSemantics:    {Ambiguous, "UndefinedContentLengthSemantics"},
	UndefinedTransferEncodingSemantics: {Ambiguous, "UndefinedTransferEncodingSemantics"},
	BadContentLength:                   {Severe, "BadContentLength"},
	BadHeader:                          {Severe, "BadHeader"},
	BadMethod:                          {Severe, "BadMethod"},
	BadTransferEncoding:                {Severe, "BadTransferEncoding"},
	BadUri:                             {Severe, "BadUri"},
	BadVersion:                         {Severe, "BadVersion"},
	MultipleContentLength:              {Severe, "MultipleContentLength"},
	MultipleTransferEncodingChunked:    {Severe, "MultipleTransferEncodingChunked"},
}

// Tier returns the tier that the reason belongs to.
func (r Reason) Tier() Tier { return reasons[r].tier }

// String returns the word of the access log's field classification_reason; ""
// for NoReason.
func (r Reason) String() string { return reasons[r].word }

// raise makes r the verdict if it is worse: of one tier the first reason stands.
func (v *Reason) raise(r Reason) {
	if r.Tier() > v.Tier() {
		*v = r
	}
}

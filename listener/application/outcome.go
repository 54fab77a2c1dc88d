package application

import "github.com/elbow-lb/elbow/internal/http1"

// Outcome says why an exchange ended. It is a value, not an error: the data
// path must not allocate to fail. The access log prints it as one word in
// error_reason, and metrics count it. Values from refusalBase on are the
// refusals of the HTTP/1 parser.
type Outcome uint8

// The outcomes and their statuses; ELB's where it has one
// (elb troubleshooting guide, HTTP errors).
const (
	OutcomeOK                 Outcome = iota
	OutcomeClientClosed               // 460: the client went away before the response
	OutcomeNoTarget                   // 503: the group has no target to try
	OutcomeTargetRefused              // 502: connection refused, or no route
	OutcomeTargetClosed               // 502: closed or reset before a response
	OutcomeTargetMalformed            // 502: what came is not a response
	OutcomeTargetCut                  // response began and broke off; the client's connection is cut too
	OutcomeConnectTimeout             // 504: no connection within the connect timeout
	OutcomeTargetTimeout              // 504: silent for the idle timeout
	OutcomeHeadTimeout                // 408: the request head did not arrive in time
	OutcomeBodyTimeout                // 408: the request body did not arrive in time
	OutcomeBodyCut                    // 400: the client ended the body early
	OutcomeMethodNotAllowed           // 405: TRACE, CONNECT
	OutcomeTooManyForwarded           // 463: more than 30 addresses in X-Forwarded-For
	OutcomeRedirectTooLong            // 507: Location beyond 8 KiB
	OutcomeOutOfDescriptors           // 503: no descriptor or port for a connection
	OutcomeUnsolicitedSwitch          // 502: 101 without a request for it
	OutcomeTooManyInterim             // 502: a flood of 1xx responses
	OutcomeSlowClient                 // the client took no bytes for the idle timeout; cut
	OutcomeInternal                   // 500: a panic, which is a bug
	OutcomeTooManyConnections         // reset unanswered: more connections than elbow.max_connections
	OutcomeTooManyFromSource          // reset unanswered: more than elbow.max_connections_per_source
	OutcomeBadPath                    // 400: the path has an encoded NUL or overlong UTF-8
	OutcomeAmbiguousPath              // 400: it depends on how the path is read which rule matches
	OutcomeBodyTooSlow                // 408: the request body comes slower than elbow.client_min_rate
	OutcomeDesyncBlocked              // 400: desync mitigation does not let it pass
	OutcomeExpectation                // 417: Expect other than 100-continue
	OutcomeTargetDeregistered         // 502: not finished when the deregistration delay of its target was over
	OutcomeTransformFailed            // 500: what a transform made is no request
	OutcomeTooManyOutstanding         // 503: every target has elbow.max_outstanding_requests, and no more may wait
	OutcomeQueueTimeout               // 503: waited for a target with room for elbow.queue_timeout
	OutcomeMemoryPressure             // 503: the process is near its memory limit
	numOutcomes

	refusalBase Outcome = 40
)

var outcomes = [numOutcomes]struct {
	status int
	reason string
}{
	OutcomeOK:                {200, ""},
	OutcomeClientClosed:      {460, "ClientClosed"},
	OutcomeNoTarget:          {503, "NoTarget"},
	OutcomeTargetRefused:     {502, "TargetConnectionRefused"},
	OutcomeTargetClosed:      {502, "TargetClosedConnection"},
	OutcomeTargetMalformed:   {502, "TargetMalformedResponse"},
	OutcomeTargetCut:         {502, "TargetResponseCut"},
	OutcomeConnectTimeout:    {504, "TargetConnectTimeout"},
	OutcomeTargetTimeout:     {504, "TargetTimeout"},
	OutcomeHeadTimeout:       {408, "RequestHeadTimeout"},
	OutcomeBodyTimeout:       {408, "RequestBodyTimeout"},
	OutcomeBodyCut:           {400, "RequestBodyCut"},
	OutcomeMethodNotAllowed:  {405, "MethodNotAllowed"},
	OutcomeTooManyForwarded:  {463, "TooManyForwardedAddresses"},
	OutcomeRedirectTooLong:   {507, "RedirectUrlTooLong"},
	OutcomeOutOfDescriptors:  {503, "OutOfDescriptors"},
	OutcomeUnsolicitedSwitch: {502, "UnsolicitedSwitchingProtocols"},
	OutcomeTooManyInterim:    {502, "TooManyInterimResponses"},
	OutcomeSlowClient:        {408, "ClientTooSlow"},
	OutcomeInternal:          {500, "InternalError"},

	OutcomeTargetDeregistered: {502, "TargetDeregistered"},
	OutcomeTransformFailed:    {500, "TransformFailed"},

	OutcomeTooManyOutstanding: {503, "TooManyOutstandingRequests"},
	OutcomeQueueTimeout:       {503, "QueueTimeout"},
	OutcomeMemoryPressure:     {503, "MemoryPressure"},
	OutcomeTooManyConnections: {503, "TooManyConnections"},
	OutcomeBodyTooSlow:        {408, "RequestBodyTooSlow"},
	OutcomeTooManyFromSource:  {503, "TooManyConnectionsFromSource"},
	OutcomeBadPath:            {400, "BadPathEncoding"},
	OutcomeExpectation:        {417, "ExpectationFailed"},
	OutcomeAmbiguousPath:      {400, "AmbiguousPath"},
	OutcomeDesyncBlocked:      {400, "DesyncBlocked"},
}

// refused is the outcome of a request, or a target's response, that the parser
// refused.
func refused(r http1.Refusal) Outcome { return refusalBase + Outcome(r) }

// Status is the status that the client is answered with, or that is logged for
// it where nothing can be sent any more.
func (o Outcome) Status() int {
	if o >= refusalBase {
		return http1.Refusal(o - refusalBase).Status()
	}
	return outcomes[o].status
}

// passes tells of a refusal whose reason may be gone soon, so that the client
// should try again.
func (o Outcome) passes() bool {
	switch o {
	case OutcomeTooManyOutstanding, OutcomeQueueTimeout, OutcomeMemoryPressure, OutcomeOutOfDescriptors:
		return true
	}
	return false
}

// String is the reason word of logs and metrics; "" for OutcomeOK.
func (o Outcome) String() string {
	if o >= refusalBase {
		return http1.Refusal(o - refusalBase).String()
	}
	return outcomes[o].reason
}

// Reasons lists the reason words by Outcome, for the metrics registry.
func Reasons() []string {
	out := make([]string, int(refusalBase)+int(http1.NumRefusals))
	for i := range out {
		if o := Outcome(i); o < numOutcomes || o > refusalBase {
			out[i] = o.String()
		}
	}
	return out
}

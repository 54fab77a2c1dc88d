package metrics

// MaxReasons bounds Options.Reasons, and so the array in each ListenerShard.
const MaxReasons = 80

// Listener holds the counters of one listener, one shard per event loop.
type Listener struct {
	LoadBalancer string // the load balancer's name
	Name         string // the listener's, as the caller names it, such as "HTTP:80"

	shards []ListenerShard
}

// Shard returns the shard of event loop i, which must be below the number of
// shards given to New. Look it up once per connection, not per request.
func (l *Listener) Shard(i int) *ListenerShard { return &l.shards[i] }

// Active returns how many client connections are open, over all shards.
func (l *Listener) Active() int64 {
	return sumGauge(l.shards, func(s *ListenerShard) *Gauge { return &s.ActiveConnections })
}

// ListenerShard holds what one event loop counts for one listener. The
// fields are ordered by how often they are written together.
type ListenerShard struct {
	Requests        Counter // requests for which a target was chosen (RequestCount)
	RuleEvaluations Counter // rules compared, the default rule excepted (RuleEvaluations)
	ReceivedBytes   Counter // bytes read from clients (ProcessedBytes, with SentBytes)
	SentBytes       Counter // bytes written to clients

	Connections         Counter // accepted client connections (NewConnectionCount)
	ActiveConnections   Gauge   // open client connections (ActiveConnectionCount)
	RejectedConnections Counter // refused because a limit was reached (RejectedConnectionCount)

	Redirects      Counter // redirect actions answered (HTTP_Redirect_Count)
	FixedResponses Counter // fixed-response actions answered (HTTP_Fixed_Response_Count)

	NonSticky        Counter // requests with stickiness that no cookie placed (NonStickyRequestCount)
	ForwardedIgnored Counter // requests of trusted proxies whose X-Forwarded-* could not be believed

	classes [elbClasses]Counter
	codes   [elbCodes]Counter

	// Desync counts the requests of each class of desync mitigation, from
	// Acceptable on (DesyncMitigationMode_NonCompliant_Request_Count).
	Desync [desyncClasses]Counter

	DroppedInvalid   Counter // requests some of whose fields were dropped (DroppedInvalidHeaderRequestCount)
	ForwardedInvalid Counter // requests forwarded with fields that could be (ForwardedInvalidHeaderRequestCount)

	// Refused counts refusals by the reason codes whose names Options.Reasons
	// gave, in the same order. Use Refuse unless the code is a constant.
	Refused [MaxReasons]Counter

	_ [cacheLine]byte // the next shard belongs to another loop
}

// Refuse counts a refusal for the reason of that code. A code of MaxReasons or
// more, which only a bug can produce, is counted as reason 0.
func (s *ListenerShard) Refuse(reason uint8) {
	if int(reason) >= MaxReasons {
		reason = 0
	}
	s.Refused[reason].Inc()
}

// ELBCode counts a response that the load balancer itself generated: its class
// (HTTPCode_ELB_3XX_Count, 4XX, 5XX) and, for the statuses of ELB, its exact
// code (HTTPCode_ELB_500_Count, 502, 503, 504 and the others). Statuses below
// 300 or above 599 are not counted: CloudWatch has no metric for them.
func (s *ListenerShard) ELBCode(status int) {
	i := uint(status - 300)
	if i >= 300 {
		return
	}
	s.classes[i/100].Inc()
	if status >= 400 {
		s.codes[codeIndex[i-100]].Inc()
	}
}

const (
	elbClasses = 3 // 3xx, 4xx, 5xx
	elbCodes   = len(elbCodeNames)
	otherCode  = elbCodes - 1
)

// desyncClassNames are the values of the class label of desyncRequests, those of
// the access log.
var desyncClassNames = [...]string{"Acceptable", "Ambiguous", "Severe"}

const desyncClasses = len(desyncClassNames)

var elbClassNames = [elbClasses]string{"3xx", "4xx", "5xx"}

// elbCodeNames are the values of the code label. The statuses of ELB that one
// client alone causes by an odd request (405, 413, 414, 501, 505, 507) share
// "other": the class and the refusal reason tell them apart, and the budget of
// 30 series per listener stays whole.
var elbCodeNames = [...]string{"400", "408", "460", "463", "464", "500", "502", "503", "504", "other"}

// codeIndex maps status-400 to an index of elbCodeNames.
var codeIndex = func() (t [200]uint8) {
	for i := range t {
		t[i] = uint8(otherCode)
	}
	for i, name := range elbCodeNames[:otherCode] {
		t[int(name[0]-'4')*100+int(name[1]-'0')*10+int(name[2]-'0')] = uint8(i)
	}
	return t
}()

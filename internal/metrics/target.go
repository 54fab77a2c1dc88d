package metrics

import "time"

// targetClasses are the values of the class label of target responses.
var targetClasses = [...]string{"2xx", "3xx", "4xx", "5xx"}

// Group holds the counters of one target group, one shard per event loop.
type Group struct {
	Name string // the target group's name

	shards []GroupShard
}

// Shard returns the shard of event loop i, which must be below the number of
// shards given to New.
func (g *Group) Shard(i int) *GroupShard { return &g.shards[i] }

// GroupShard holds what one event loop counts for one target group.
type GroupShard struct {
	Requests         Counter // requests for which a target of the group was chosen (RequestCount by TargetGroup)
	ConnectionErrors Counter // connections to targets that failed (TargetConnectionErrorCount)
	TLSErrors        Counter // TLS handshakes with targets that failed (TargetTLSNegotiationErrorCount)
	Retries          Counter // attempts without an answer that were made again
	Queued           Counter // requests that waited for a target with room
	Rejected         Counter // requests for which no target had room, at once or after waiting
	RetriesDenied    Counter // attempts that were not made again for want of budget
	codes            [len(targetClasses)]Counter

	// ResponseTime is the time from when the request left until the first byte
	// of the target's response head (TargetResponseTime).
	ResponseTime Histogram

	_ [cacheLine]byte // the next shard belongs to another loop
}

// TargetCode counts a response of a target by its class
// (HTTPCode_Target_2XX_Count to 5XX). Other statuses are not counted.
func (s *GroupShard) TargetCode(status int) {
	if i := uint(status - 200); i < 400 {
		s.codes[i/100].Inc()
	}
}

// Observe counts a response time of ns nanoseconds (TargetResponseTime).
func (s *GroupShard) Observe(ns int64) { s.ResponseTime.Observe(ns) }

// Target holds the counters of one target in one target group, one shard per
// event loop.
type Target struct {
	Group string // the target group's name
	Name  string // the target, as address:port
	Zone  string // the target's zone, or "" where the configuration has no zones

	shards []TargetShard
}

// Shard returns the shard of event loop i, which must be below the number of
// shards given to New.
func (t *Target) Shard(i int) *TargetShard { return &t.shards[i] }

// TargetShard holds what one event loop counts for one target. It has no
// histogram: buckets per target would be most of all series. The sum and count
// of response times still show which target is slow.
type TargetShard struct {
	Requests         Counter // requests for which this target was chosen (RequestCountPerTarget)
	ConnectionErrors Counter // connections that failed
	TLSErrors        Counter // TLS handshakes that failed
	Retries          Counter // attempts here without an answer that were made again
	codes            [len(targetClasses)]Counter
	responseTime     Counter // nanoseconds
	responses        Counter // observations in responseTime

	_ [cacheLine]byte // the next shard belongs to another loop
}

// TargetCode counts a response of this target by its class. Statuses outside
// 200 to 599 are not counted.
func (s *TargetShard) TargetCode(status int) {
	if i := uint(status - 200); i < 400 {
		s.codes[i/100].Inc()
	}
}

// Observe counts a response time of ns nanoseconds; a negative one is zero.
func (s *TargetShard) Observe(ns int64) {
	if ns < 0 {
		ns = 0
	}
	s.responseTime.Add(uint64(ns))
	s.responses.Inc()
}

// TargetTotals are sums over the shards of a Target.
type TargetTotals struct {
	ConnectionErrors uint64
	Responses        uint64        // whose time was observed
	Responses5xx     uint64        // by class
	ResponseTime     time.Duration // of all Responses together
}

// Totals sums what was counted so far. It reads what event loops write, so it is
// for a call each second and not for one each request.
func (t *Target) Totals() (sum TargetTotals) {
	for i := range t.shards {
		s := &t.shards[i]
		sum.ConnectionErrors += s.ConnectionErrors.Load()
		sum.Responses5xx += s.codes[len(s.codes)-1].Load()
		sum.ResponseTime += time.Duration(s.responseTime.Load())
		sum.Responses += s.responses.Load()
	}
	return sum
}

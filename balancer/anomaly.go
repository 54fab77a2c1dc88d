package balancer

import (
	"math"
	"slices"
	"time"

	"github.com/elbow-lb/elbow/internal/metrics"
)

// Anomaly detection compares the targets of a group with each other, from their
// counters alone, so that it costs requests nothing (ALB guide, Automatic Target
// Weights). ELB does not say how it judges; this is our way.
//
// Every judgeEvery ticks each target that is well, of at least three, is held
// against the others that are not anomalous. It is anomalous when the share of
// its requests that failed (5xx, or no connection) is above theirs by a margin,
// and by too much for chance, or when it answers several times slower than their
// median. With fewer than judgeRequests in the last five seconds, up to half a
// minute is looked at.
//
// With mitigation, the weight of an anomalous target falls to mitigatedWeight at
// once: what is left measures it. Each verdict of nothing wrong then triples the
// weight, up to parity; a bad one takes it back. So a bad target loses 95 % of
// its share within ten seconds, two judgements, and one that recovers has it back
// after three good verdicts, which take 35 seconds even where there is next to
// no traffic.
const (
	judgeEvery    = 5  // ticks: ELB re-adjusts every five seconds
	judgedTargets = 3  // ELB's least number of healthy targets
	judgedSlots   = 6  // of judgeEvery ticks each, at most
	judgeRequests = 20 // that a verdict of something wrong needs, and
	judgeFailures = 5  // so many failures, unless it is about latency
	trustRequests = 5  // that a verdict of nothing wrong needs
	trustSlots    = 2  // or so many in which there were not as many

	failureMargin = 0.05
	failureSigmas = 5.0 // thousands of judgements a day: chance must not condemn

	slowFactor  = 3.0 // times the median: anomalous
	slowStill   = 2.0 // times the median: not recovered
	slowMargin  = 5 * time.Millisecond
	slowSeconds = 3 // that must have answers, of those since the last judgement

	mitigatedWeight = 0.05
	weightStep      = 3.0
)

// conduct is what counters say of a target. It is part of its standing.
type conduct struct {
	counters *metrics.Target      // that last is of
	last     metrics.TargetTotals // at the last tick

	slots   [judgedSlots]tally // the present one first
	seconds [judgeEvery]float64
	answers int     // of seconds, how many are set
	least   float64 // of seconds
	latency float64 // their median

	anomalous bool
	penalty   float64 // what is missing from a weight of 1; 0 for a target that is trusted
	evidence  tally   // since the weight last changed
	answered  uint64  // since then
	took      float64 // those answers together, in seconds
	quiet     int     // slots since then
}

// tally counts requests and those of them that failed.
type tally struct{ requests, failures uint64 }

func (t *tally) add(o tally) { t.requests += o.requests; t.failures += o.failures }

func (t tally) rate() float64 { return float64(t.failures) / float64(max(t.requests, 1)) }

// Verdict is what anomaly detection says of a target: the AnomalyDetection of
// the ELBv2 API.
type Verdict struct {
	Anomalous bool // Result: anomalous, else normal
	Mitigated bool // MitigationInEffect
}

// judged tells whether the group can have anomalies at all.
func (g *Group) judged() bool {
	return len(g.Targets) >= judgedTargets && len(g.LoadBalancers) > 0 && g.Targets[0].Metrics != nil
}

// mitigates tells whether anomalous targets get less.
func (g *Group) mitigates() bool { return g.Config.Attributes.AnomalyMitigation }

// observe adds what the counters gained since the last tick, and tells whether a
// verdict is void: that of a target whose counters are others now. What a target
// did before it was well is forgotten.
func (g *Group) observe() (changed bool) {
	for _, t := range g.Targets {
		c := &t.State.standing.conduct
		now := t.Metrics.Totals()
		if c.counters != t.Metrics || !t.State.standing.well {
			changed = changed || c.penalty > 0
			*c = conduct{counters: t.Metrics, last: now}
			continue
		}
		refused, answered := now.ConnectionErrors-c.last.ConnectionErrors, now.Responses-c.last.Responses
		c.slots[0].add(tally{requests: refused + answered, failures: refused + now.Responses5xx - c.last.Responses5xx})
		if answered > 0 && c.answers < len(c.seconds) {
			c.seconds[c.answers] = (now.ResponseTime - c.last.ResponseTime).Seconds() / float64(answered)
			c.answers++
		}
		c.answered += answered
		c.took += (now.ResponseTime - c.last.ResponseTime).Seconds()
		c.last = now
	}
	return changed
}

// judge gives verdicts on what was observed since the last one, and tells
// whether a weight or a verdict changed.
func (g *Group) judge() (changed bool) {
	var well []*conduct
	for _, t := range g.Targets {
		if t.State.standing.well {
			c := &t.State.standing.conduct
			// A target is slow by its least: one slow answer among many must not
			// make it so, and one that is slow always is. Others are held
			// against their median.
			c.latency = median(c.seconds[:c.answers])
			c.least = c.seconds[0]
			well = append(well, c)
		}
	}
	bad := 0
	for _, c := range well {
		if c.penalty > 0 {
			bad++
		}
	}
	for _, c := range well {
		before, was := c.penalty, c.anomalous
		switch {
		case len(well) < judgedTargets:
			c.anomalous, c.penalty = false, 0
		case c.penalty > 0:
			c.watch(well)
		case bad < len(well)/2 && c.stands(well):
			// Never more than half of the targets: the others would have to
			// take their share.
			bad++
			c.condemn()
		}
		changed = changed || c.penalty != before || c.anomalous != was
	}
	for _, c := range well {
		copy(c.slots[1:], c.slots[:])
		c.slots[0], c.answers = tally{}, 0
	}
	return changed
}

func (c *conduct) condemn() {
	c.anomalous, c.penalty = true, 1-mitigatedWeight
	c.begin()
}

// begin begins to gather evidence on a new weight.
func (c *conduct) begin() { c.evidence, c.answered, c.took, c.quiet = tally{}, 0, 0, 0 }

// watch decides on the weight of a target that had one taken away.
func (c *conduct) watch(well []*conduct) {
	c.evidence.add(c.slots[0])
	c.quiet++
	theirs, latency := c.peers(well, judgedSlots)
	mean := c.took / float64(max(c.answered, 1)) // there are too few answers for more
	switch {
	case c.evidence.rate() > theirs.rate()+failureMargin, slower(mean, latency, slowStill):
		c.condemn()
	case c.evidence.requests >= trustRequests || c.quiet >= trustSlots:
		c.begin()
		c.anomalous = false
		if c.penalty = 1 - (1-c.penalty)*weightStep; c.penalty < mitigatedWeight {
			c.penalty = 0
		}
	}
}

// stands tells whether the target stands out against its peers: in the last
// judgeEvery ticks, or, as fewer requests say less, in more of them.
func (c *conduct) stands(well []*conduct) bool {
	if c.answers >= slowSeconds && c.slots[0].requests >= judgeRequests {
		if _, latency := c.peers(well, 0); slower(c.least, latency, slowFactor) {
			return true
		}
	}
	var own tally
	for slot := range c.slots {
		own.add(c.slots[slot])
		if own.requests < judgeRequests || own.failures < judgeFailures {
			continue
		}
		if theirs, _ := c.peers(well, slot+1); own.worse(theirs) {
			return true
		}
	}
	return false
}

// worse tells whether the part that fails is larger by failureMargin, and by
// more than chance makes it: the likelihood ratio of two rates against one common
// rate, as standard deviations. It holds for a handful of failures among many
// requests, too, where the usual test of two proportions sees ghosts.
func (t tally) worse(than tally) bool {
	if than.requests == 0 || t.rate() <= than.rate()+failureMargin {
		return false
	}
	both := t
	both.add(than)
	ratio := 2 * (t.likelihood(t.rate()) + than.likelihood(than.rate()) - both.likelihood(both.rate()))
	return ratio > failureSigmas*failureSigmas
}

// likelihood is the logarithm of how likely t is when each request fails with
// probability p, but for a term that does not depend on p.
func (t tally) likelihood(p float64) (l float64) {
	if t.failures > 0 {
		l += float64(t.failures) * math.Log(p)
	}
	if ok := t.requests - t.failures; ok > 0 {
		l += float64(ok) * math.Log1p(-p)
	}
	return l
}

// peers is what the other targets that are trusted did in the last slots, and
// the median of their latencies in the present one; 0: not known.
func (c *conduct) peers(well []*conduct, slots int) (tally, float64) {
	var sum tally
	var latencies []float64
	for _, o := range well {
		if o == c || o.penalty > 0 {
			continue
		}
		for _, slot := range o.slots[:slots] {
			sum.add(slot)
		}
		if o.answers > 0 {
			latencies = append(latencies, o.latency)
		}
	}
	return sum, median(latencies)
}

// slower tells whether a target takes so many times as long as others, and by
// more than anyone would mind. 0 is a latency that is not known.
func slower(latency, than, factor float64) bool {
	return than > 0 && latency > factor*than && latency > than+slowMargin.Seconds()
}

// median is the upper one of an even number; 0 of none. It sorts values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// verdict is what goes into the eligible set.
func (g *Group) verdict(t *Target) Verdict {
	c := &t.State.standing.conduct
	return Verdict{Anomalous: c.anomalous, Mitigated: c.penalty > 0 && g.mitigates()}
}

// Verdict returns what anomaly detection says of target i.
func (g *Group) Verdict(i int) Verdict {
	if v := g.eligible.Load().verdicts; v != nil {
		return v[i]
	}
	return Verdict{}
}

// Anomalies returns how many targets are anomalous (AnomalousHostCount), and how
// many get less for it (MitigatedHostCount).
func (g *Group) Anomalies() (anomalous, mitigated int) {
	for _, v := range g.eligible.Load().verdicts {
		if v.Anomalous {
			anomalous++
		}
		if v.Mitigated {
			mitigated++
		}
	}
	return anomalous, mitigated
}

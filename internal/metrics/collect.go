package metrics

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// collector makes the registry a prometheus.Collector without putting Collect
// and Describe among the registry's own methods.
type collector struct{ r *Registry }

// Describe sends the whole catalog, so that the Prometheus registry checks
// names, labels and duplicates.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range catalog {
		ch <- c.r.catalog[m]
	}
}

// Collect sums the shards and runs the callbacks.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	r := c.r
	e := Emitter{catalog: r.catalog, ch: ch}

	// Copied under the lock, summed without it: a scrape of thousands of
	// targets must not hold up a reload.
	r.mu.RLock()
	listeners := make([]*Listener, 0, len(r.listeners))
	for _, l := range r.listeners {
		listeners = append(listeners, l)
	}
	groups := make([]*Group, 0, len(r.groups))
	for _, g := range r.groups {
		groups = append(groups, g)
	}
	targets := make([]*Target, 0, len(r.targets))
	for _, t := range r.targets {
		targets = append(targets, t)
	}
	callbacks := slices.Clone(r.callbacks)
	refused := r.refused
	r.mu.RUnlock()

	e.Emit(buildInfo, 1, r.opts.Version, r.opts.Commit, runtime.Version())
	for _, l := range listeners {
		emitListener(e, l, &refused)
	}
	for code, reason := range r.opts.Reasons {
		if reason != "" {
			e.Emit(refusedRequests, float64(refused[code]), reason)
		}
	}
	for _, g := range groups {
		emitGroup(e, g)
	}
	for _, t := range targets {
		emitTarget(e, t)
	}
	for _, f := range callbacks {
		f(e)
	}
}

// emitListener sends the sums of one listener and adds its refusals to those
// of the others.
func emitListener(e Emitter, l *Listener, refused *[MaxReasons]uint64) {
	// New connections are summed after the active ones, so that a scrape never
	// shows more connections open than were ever accepted.
	e.Emit(activeConnections, float64(sumGauge(l.shards, func(s *ListenerShard) *Gauge { return &s.ActiveConnections })),
		l.LoadBalancer, l.Name)
	count := func(m *Metric, field func(*ListenerShard) *Counter, labels ...string) {
		e.Emit(m, float64(sum(l.shards, field)), slices.Concat([]string{l.LoadBalancer, l.Name}, labels)...)
	}
	count(connections, func(s *ListenerShard) *Counter { return &s.Connections })
	count(rejectedConnections, func(s *ListenerShard) *Counter { return &s.RejectedConnections })
	count(requests, func(s *ListenerShard) *Counter { return &s.Requests })
	count(redirects, func(s *ListenerShard) *Counter { return &s.Redirects })
	count(fixedResponses, func(s *ListenerShard) *Counter { return &s.FixedResponses })
	count(ruleEvaluations, func(s *ListenerShard) *Counter { return &s.RuleEvaluations })
	count(nonSticky, func(s *ListenerShard) *Counter { return &s.NonSticky })
	count(forwardedIgnored, func(s *ListenerShard) *Counter { return &s.ForwardedIgnored })
	count(receivedBytes, func(s *ListenerShard) *Counter { return &s.ReceivedBytes })
	count(sentBytes, func(s *ListenerShard) *Counter { return &s.SentBytes })
	for i, class := range elbClassNames {
		count(elbResponses, func(s *ListenerShard) *Counter { return &s.classes[i] }, class)
	}
	for i, code := range elbCodeNames {
		count(elbResponseCodes, func(s *ListenerShard) *Counter { return &s.codes[i] }, code)
	}
	count(invalidFields, func(s *ListenerShard) *Counter { return &s.DroppedInvalid }, "dropped")
	count(invalidFields, func(s *ListenerShard) *Counter { return &s.ForwardedInvalid }, "forwarded")
	for i, class := range desyncClassNames {
		count(desyncRequests, func(s *ListenerShard) *Counter { return &s.Desync[i] }, class)
	}
	for i := range l.shards {
		for reason := range refused {
			refused[reason] += l.shards[i].Refused[reason].Load()
		}
	}
}

func emitGroup(e Emitter, g *Group) {
	count := func(m *Metric, field func(*GroupShard) *Counter, labels ...string) {
		e.Emit(m, float64(sum(g.shards, field)), slices.Concat([]string{g.Name}, labels)...)
	}
	count(groupRequests, func(s *GroupShard) *Counter { return &s.Requests })
	count(groupConnectionErrors, func(s *GroupShard) *Counter { return &s.ConnectionErrors })
	count(groupTLSErrors, func(s *GroupShard) *Counter { return &s.TLSErrors })
	count(groupRetries, func(s *GroupShard) *Counter { return &s.Retries })
	count(groupRetriesDenied, func(s *GroupShard) *Counter { return &s.RetriesDenied })
	count(groupQueued, func(s *GroupShard) *Counter { return &s.Queued })
	count(groupRejected, func(s *GroupShard) *Counter { return &s.Rejected })
	for i, class := range targetClasses {
		count(groupResponses, func(s *GroupShard) *Counter { return &s.codes[i] }, class)
	}
	var h histogramSum
	for i := range g.shards {
		h.add(&g.shards[i].ResponseTime)
	}
	e.histogram(groupResponseTime, &h, g.Name)
}

func emitTarget(e Emitter, t *Target) {
	count := func(m *Metric, field func(*TargetShard) *Counter, labels ...string) {
		e.Emit(m, float64(sum(t.shards, field)), slices.Concat([]string{t.Group, t.Name, t.Zone}, labels)...)
	}
	count(targetRequests, func(s *TargetShard) *Counter { return &s.Requests })
	count(targetConnectionErrors, func(s *TargetShard) *Counter { return &s.ConnectionErrors })
	count(targetTLSErrors, func(s *TargetShard) *Counter { return &s.TLSErrors })
	count(targetRetries, func(s *TargetShard) *Counter { return &s.Retries })
	for i, class := range targetClasses {
		count(targetResponses, func(s *TargetShard) *Counter { return &s.codes[i] }, class)
	}
	ns := sum(t.shards, func(s *TargetShard) *Counter { return &s.responseTime })
	n := sum(t.shards, func(s *TargetShard) *Counter { return &s.responses })
	e.summary(targetResponseTime, n, float64(ns)/1e9, t.Group, t.Name, t.Zone)
}

func sum[S any](shards []S, field func(*S) *Counter) (total uint64) {
	for i := range shards {
		total += field(&shards[i]).Load()
	}
	return total
}

func sumGauge[S any](shards []S, field func(*S) *Gauge) (total int64) {
	for i := range shards {
		total += field(&shards[i]).Load()
	}
	return total
}

// Emitter hands the values of one scrape to Prometheus. It is valid only
// during the callback that was given it.
type Emitter struct {
	catalog map[*Metric]*prometheus.Desc
	ch      chan<- prometheus.Metric
}

// Emit exports the value of a counter or a gauge of the catalog; labels are
// the values of its labels in order. The same metric with the same label values
// must be emitted once per scrape. A call with the wrong number of labels, or
// with a metric that is not in the catalog, makes the scrape report an error
// and lose this one value.
func (e Emitter) Emit(m *Metric, value float64, labels ...string) {
	kind := prometheus.GaugeValue
	if m.Kind == KindCounter {
		kind = prometheus.CounterValue
	}
	desc, err := e.desc(m, KindCounter, KindGauge)
	if err == nil {
		var metric prometheus.Metric
		if metric, err = prometheus.NewConstMetric(desc, kind, value, labels...); err == nil {
			e.ch <- metric
			return
		}
	}
	e.fail(m, err)
}

func (e Emitter) histogram(m *Metric, h *histogramSum, labels ...string) {
	desc, err := e.desc(m, KindHistogram)
	if err == nil {
		var metric prometheus.Metric
		count, seconds, byBound := h.cumulative()
		if metric, err = prometheus.NewConstHistogram(desc, count, seconds, byBound, labels...); err == nil {
			e.ch <- metric
			return
		}
	}
	e.fail(m, err)
}

func (e Emitter) summary(m *Metric, count uint64, total float64, labels ...string) {
	desc, err := e.desc(m, KindSummary)
	if err == nil {
		var metric prometheus.Metric
		if metric, err = prometheus.NewConstSummary(desc, count, total, nil, labels...); err == nil {
			e.ch <- metric
			return
		}
	}
	e.fail(m, err)
}

func (e Emitter) desc(m *Metric, kinds ...Kind) (*prometheus.Desc, error) {
	desc := e.catalog[m]
	if desc == nil {
		return nil, errors.New("the metric is not in the catalog")
	}
	if !slices.Contains(kinds, m.Kind) {
		return nil, fmt.Errorf("the metric is a %s", m.Kind)
	}
	return desc, nil
}

func (e Emitter) fail(m *Metric, err error) {
	err = fmt.Errorf("emit %s: %w", m.Name, err)
	e.ch <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
}

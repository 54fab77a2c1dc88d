package metrics

import (
	"regexp"
	"slices"

	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Kind is the type of a metric.
type Kind uint8

const (
	KindCounter   Kind = iota // only grows
	KindGauge                 // rises and falls
	KindHistogram             // counts by upper bound, with sum and count
	KindSummary               // sum and count only
)

// String returns the kind as Prometheus writes it.
func (k Kind) String() string {
	switch k {
	case KindCounter:
		return "counter"
	case KindGauge:
		return "gauge"
	case KindHistogram:
		return "histogram"
	case KindSummary:
		return "summary"
	}
	return "untyped"
}

// Metric describes one metric: what it is called, what it means, and which
// metric of CloudWatch it corresponds to. All of them are in the catalog, from
// which the collector, the documentation and the tests are made.
type Metric struct {
	Name       string
	Kind       Kind
	Labels     []string
	Help       string
	CloudWatch string // name in AWS/ApplicationELB; empty where ELB has none
}

func (m *Metric) helpText() string {
	if m.CloudWatch == "" {
		return m.Help
	}
	return m.Help + " CloudWatch: " + m.CloudWatch + "."
}

var (
	listenerLabels = []string{"load_balancer", "listener"}
	groupLabels    = []string{"target_group"}
	targetLabels   = []string{"target_group", "target", "zone"}
)

func with(labels []string, more ...string) []string {
	return slices.Concat(labels, more)
}

// Metrics that the registry fills from the shards.
var (
	buildInfo = &Metric{"elbow_build_info", KindGauge, []string{"version", "commit", "go_version"},
		"Always 1; the labels say what is running.", ""}

	connections = &Metric{"elbow_connections_total", KindCounter, listenerLabels,
		"Client connections accepted.", "NewConnectionCount"}
	activeConnections = &Metric{"elbow_active_connections", KindGauge, listenerLabels,
		"Client connections open now.", "ActiveConnectionCount"}
	rejectedConnections = &Metric{"elbow_rejected_connections_total", KindCounter, listenerLabels,
		"Client connections refused because a limit was reached.", "RejectedConnectionCount"}
	requests = &Metric{"elbow_requests_total", KindCounter, listenerLabels,
		"Requests for which a target was chosen.", "RequestCount"}
	elbResponses = &Metric{"elbow_elb_responses_total", KindCounter, with(listenerLabels, "class"),
		"Responses that the load balancer generated itself, by class (3xx, 4xx, 5xx).",
		"HTTPCode_ELB_3XX_Count, HTTPCode_ELB_4XX_Count, HTTPCode_ELB_5XX_Count"}
	elbResponseCodes = &Metric{"elbow_elb_response_codes_total", KindCounter, with(listenerLabels, "code"),
		"Error responses that the load balancer generated itself, by status; other is any status without a value of its own.",
		"HTTPCode_ELB_500_Count, HTTPCode_ELB_502_Count, HTTPCode_ELB_503_Count, HTTPCode_ELB_504_Count"}
	redirects = &Metric{"elbow_redirects_total", KindCounter, listenerLabels,
		"Requests answered by a redirect action.", "HTTP_Redirect_Count"}
	fixedResponses = &Metric{"elbow_fixed_responses_total", KindCounter, listenerLabels,
		"Requests answered by a fixed-response action.", "HTTP_Fixed_Response_Count"}
	ruleEvaluations = &Metric{"elbow_rule_evaluations_total", KindCounter, listenerLabels,
		"Rules evaluated.", "RuleEvaluations"}
	nonSticky = &Metric{"elbow_non_sticky_requests_total", KindCounter, listenerLabels,
		"Requests to target groups with stickiness for which a target was chosen anew: they had no cookie, or one that was no use.", "NonStickyRequestCount"}
	forwardedIgnored = &Metric{"elbow_forwarded_ignored_total", KindCounter, listenerLabels,
		"Requests of a trusted proxy whose X-Forwarded-For, -Proto or -Port was malformed and so ignored.", ""}
	receivedBytes = &Metric{"elbow_received_bytes_total", KindCounter, listenerLabels,
		"Bytes received from clients.", "ProcessedBytes (its received part)"}
	sentBytes = &Metric{"elbow_sent_bytes_total", KindCounter, listenerLabels,
		"Bytes sent to clients.", "ProcessedBytes (its sent part)"}
	desyncRequests = &Metric{"elbow_desync_noncompliant_requests_total", KindCounter, with(listenerLabels, "class"),
		"Requests that desync mitigation did not find compliant, whatever its mode, by class (Acceptable, Ambiguous, Severe).",
		"DesyncMitigationMode_NonCompliant_Request_Count"}
	invalidFields = &Metric{"elbow_invalid_header_requests_total", KindCounter, with(listenerLabels, "action"),
		"Requests with header fields whose names have other characters than letters, digits and hyphens, by what was done about these (dropped, forwarded).",
		"DroppedInvalidHeaderRequestCount, ForwardedInvalidHeaderRequestCount"}
	refusedRequests = &Metric{"elbow_refused_requests_total", KindCounter, []string{"reason"},
		"Requests that were refused or that failed, by the reason that the access log gives, over all listeners.",
		"HTTP_Redirect_Url_Limit_Exceeded_Count (reason RedirectUrlTooLong)"}

	groupRequests = &Metric{"elbow_target_group_requests_total", KindCounter, groupLabels,
		"Requests for which a target of this group was chosen.", "RequestCount (by TargetGroup)"}
	groupResponses = &Metric{"elbow_target_group_responses_total", KindCounter, with(groupLabels, "class"),
		"Responses of targets, by class (2xx, 3xx, 4xx, 5xx).",
		"HTTPCode_Target_2XX_Count, HTTPCode_Target_3XX_Count, HTTPCode_Target_4XX_Count, HTTPCode_Target_5XX_Count"}
	groupConnectionErrors = &Metric{"elbow_target_group_connection_errors_total", KindCounter, groupLabels,
		"Connections to targets that could not be established.", "TargetConnectionErrorCount"}
	groupTLSErrors = &Metric{"elbow_target_group_tls_errors_total", KindCounter, groupLabels,
		"TLS handshakes with targets that failed.", "TargetTLSNegotiationErrorCount"}
	groupRetries = &Metric{"elbow_target_group_retries_total", KindCounter, groupLabels,
		"Attempts at requests that got no answer and were made again, on a fresh connection or with another target.", ""}
	groupQueued = &Metric{"elbow_target_group_queued_requests_total", KindCounter, groupLabels,
		"Requests that waited for a target with room, because every one had elbow.max_outstanding_requests.", ""}
	groupRejected = &Metric{"elbow_target_group_rejected_requests_total", KindCounter, groupLabels,
		"Requests answered 503 because no target had room, at once or after waiting.", ""}
	groupRetriesDenied = &Metric{"elbow_target_group_retries_denied_total", KindCounter, groupLabels,
		"Attempts that were not made again because the retry budget was spent.", ""}
	groupResponseTime = &Metric{"elbow_target_group_response_time_seconds", KindHistogram, groupLabels,
		"Time from when the request left the load balancer until the target started to answer.", "TargetResponseTime"}

	targetRequests = &Metric{"elbow_target_requests_total", KindCounter, targetLabels,
		"Requests for which this target was chosen; one that went to another after it had failed counts for both.", "RequestCountPerTarget"}
	targetResponses = &Metric{"elbow_target_responses_total", KindCounter, with(targetLabels, "class"),
		"Responses of this target, by class (2xx, 3xx, 4xx, 5xx).",
		"HTTPCode_Target_2XX_Count, HTTPCode_Target_3XX_Count, HTTPCode_Target_4XX_Count, HTTPCode_Target_5XX_Count"}
	targetConnectionErrors = &Metric{"elbow_target_connection_errors_total", KindCounter, targetLabels,
		"Connections to this target that could not be established.", "TargetConnectionErrorCount"}
	targetTLSErrors = &Metric{"elbow_target_tls_errors_total", KindCounter, targetLabels,
		"TLS handshakes with this target that failed.", "TargetTLSNegotiationErrorCount"}
	targetRetries = &Metric{"elbow_target_retries_total", KindCounter, targetLabels,
		"Attempts at this target that got no answer and were made again, there or with another target.", ""}
	targetResponseTime = &Metric{"elbow_target_response_time_seconds", KindSummary, targetLabels,
		"Time until this target started to answer; the buckets are per target group.", "TargetResponseTime"}
)

// Metrics that callbacks fill with Emitter.Emit. The label values go in the
// order of the labels named in each comment.
var (
	HealthyHosts = &Metric{"elbow_healthy_hosts", KindGauge, groupLabels,
		"Targets that are healthy.", "HealthyHostCount"} // target_group
	QueuedRequests = &Metric{"elbow_target_group_queue_length", KindGauge, groupLabels,
		"Requests that wait for a target with room now.", ""} // target_group
	UnhealthyHosts = &Metric{"elbow_unhealthy_hosts", KindGauge, groupLabels,
		"Targets that are unhealthy.", "UnHealthyHostCount"} // target_group
	DrainingHosts = &Metric{"elbow_draining_hosts", KindGauge, groupLabels,
		"Targets that are being deregistered: they get no new requests, and may finish what they have begun.", ""} // target_group
	TargetOverride = &Metric{"elbow_target_override", KindGauge, []string{"target_group", "target", "action"},
		"Always 1; a target that was registered, deregistered or drained by command, against what the configuration says.", ""} // target_group, target, action
	FailOpen = &Metric{"elbow_target_group_fail_open", KindGauge, groupLabels,
		"1 while the group (with cross-zone load balancing off: a zone of it) has targets but fewer healthy ones than minimum_healthy_targets asks for, so that requests go to all of them; else 0.", "UnhealthyStateRouting"} // target_group
	AnomalousHosts = &Metric{"elbow_anomalous_hosts", KindGauge, groupLabels,
		"Targets that fail more of their requests, or answer slower, than the others of their group.", "AnomalousHostCount"} // target_group
	MitigatedHosts = &Metric{"elbow_mitigated_hosts", KindGauge, groupLabels,
		"Targets that get less than their share because they are, or until a moment ago were, anomalous.", "MitigatedHostCount"} // target_group
	TargetHealth = &Metric{"elbow_target_health", KindGauge, with(targetLabels, "state"),
		"Always 1; the state label is the target's health: initial, healthy, unhealthy, draining, unused or unavailable.",
		"HealthyHostCount and UnHealthyHostCount (by AvailabilityZone, when summed by zone)"} // target_group, target, zone, state
	OutstandingRequests = &Metric{"elbow_target_outstanding_requests", KindGauge, targetLabels,
		"Requests sent to this target and not yet answered in full.", ""} // target_group, target, zone
	IdleConnections = &Metric{"elbow_target_idle_connections", KindGauge, targetLabels,
		"Connections to this target that wait for the next request.", ""} // target_group, target, zone

	ConfigGeneration = &Metric{"elbow_config_generation", KindGauge, nil,
		"How often since the start a configuration, or a change of the addresses that its names have, took effect.", ""}
	ConfigInfo = &Metric{"elbow_config_info", KindGauge, []string{"hash"},
		"Always 1; the hash label is that of the configuration in force.", ""} // hash
	ConfigReloadSuccessful = &Metric{"elbow_config_last_reload_successful", KindGauge, nil,
		"1 when the last attempt to load a configuration succeeded, 0 when it was rejected.", ""}
	ConfigReloadSuccessTime = &Metric{"elbow_config_last_reload_success_timestamp_seconds", KindGauge, nil,
		"When an attempt to load a configuration last succeeded, as Unix time; also when it had not changed.", ""}

	MemoryLimit = &Metric{"elbow_memory_limit_bytes", KindGauge, nil,
		"What the process may use of memory; absent without a limit.", ""}
	MemoryUsed = &Metric{"elbow_memory_used_bytes", KindGauge, nil,
		"What counts against the memory limit; absent without one.", ""}
	MemoryPressure = &Metric{"elbow_memory_pressure", KindGauge, nil,
		"0 while memory is enough, 1 from 92 % of the limit on, when responses close their connections, 2 from 95 % on, when requests are answered 503.", ""}
	AcceptFailures = &Metric{"elbow_accept_failures_total", KindCounter, nil,
		"Attempts to accept connections that failed for want of descriptors or memory, over all listeners. Clients wait meanwhile; the next attempt is 100 ms later.", ""}
	AccessLogDropped = &Metric{"elbow_access_log_dropped_lines_total", KindCounter, nil,
		"Access log lines dropped because the log could not be written as fast as requests came.", ""}
)

// catalog lists every metric, in the order of the documentation.
var catalog = []*Metric{
	connections, activeConnections, rejectedConnections, requests, elbResponses, elbResponseCodes, redirects,
	fixedResponses, ruleEvaluations, forwardedIgnored, nonSticky, receivedBytes, sentBytes,
	desyncRequests, invalidFields, refusedRequests,
	groupRequests, groupResponses, groupConnectionErrors, groupTLSErrors, groupRetries, groupRetriesDenied,
	groupQueued, groupRejected, QueuedRequests, groupResponseTime,
	HealthyHosts, UnhealthyHosts, DrainingHosts, TargetOverride, AnomalousHosts, MitigatedHosts, FailOpen,
	targetRequests, targetResponses, targetConnectionErrors, targetTLSErrors, targetRetries, targetResponseTime,
	TargetHealth, OutstandingRequests, IdleConnections,
	ConfigReloadSuccessful, ConfigReloadSuccessTime, ConfigGeneration, ConfigInfo,
	MemoryLimit, MemoryUsed, MemoryPressure,
	AcceptFailures, AccessLogDropped, buildInfo,
}

// Catalog returns every metric of Elbow, in the order of the documentation.
// The go_ and process_ metrics of the runtime are not part of it.
func Catalog() []*Metric { return slices.Clone(catalog) }

// goRuntimeMetrics chooses the runtime metrics that are exported besides those
// that the Go collector always has.
var goRuntimeMetrics = collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(
	`^(/memory/classes/(total|heap/objects|heap/stacks):bytes|/gc/heap/allocs:objects)$`)}

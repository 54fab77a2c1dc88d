package config

import (
	"slices"
	"time"

	"github.com/elbow-lb/elbow/internal/desync"
)

// registry lists every attribute of ELBv2 (user guides: "Edit attributes for
// your Application Load Balancer", "Target group attributes", "Listener
// attributes", and those of the network and gateway guides), then Elbow's own,
// which start with "elbow.". It validates configurations, sets defaults, and
// writes the reference and the schema.
//
// Giving an attribute its behaviour is: add the field to the Model, set it
// here, remove NotYet.
var registry = slices.Concat(loadBalancerRegistry, targetGroupRegistry, listenerRegistry)

var loadBalancerRegistry = []Attribute{
	{Key: "deletion_protection.enabled", Types: forANG, Default: "false", NotYet: true,
		Doc: "Whether the API refuses to delete the load balancer."},
	{Key: "load_balancing.cross_zone.enabled", Types: forA, Kind: WordAttribute, Words: []string{"true"}, Default: "true",
		Doc: "Whether targets of all zones are used, whatever zone a request came in by. Always on for an application load balancer; a target group may turn it off.",
		set: func(a *attributeSet, v attributeValue) { a.lb.CrossZone = v.text == "true" }},
	{Key: "load_balancing.cross_zone.enabled", Types: forN | forG, Default: "false", NotYet: true,
		Doc: "Whether targets of all zones are used, whatever zone a connection came in by."},
	{Key: "access_logs.s3.enabled", Types: forAN, Default: "false", NotYet: true, Doc: "Whether access logs are stored in S3. See access_log for logs to a file."},
	{Key: "access_logs.s3.bucket", Types: forAN, Kind: TextAttribute, NotYet: true, Doc: "The bucket for access logs."},
	{Key: "access_logs.s3.prefix", Types: forAN, Kind: TextAttribute, NotYet: true, Doc: "The prefix of access log objects; it must not contain AWSLogs."},
	{Key: "ipv6.deny_all_igw_traffic", Types: forAN, Default: "false", InternalDefault: "true", NotYet: true,
		Doc: "Whether access from an internet gateway is blocked."},
	{Key: "zonal_shift.config.enabled", Types: forAN, Default: "false", NotYet: true, Doc: "Whether a zone can be shifted away from."},
	{Key: "idle_timeout.timeout_seconds", Types: forA, Kind: IntegerAttribute, Min: 1, Max: 4000, Default: "60",
		Doc: "How long a connection, of a client or to a target, may stay silent before it is closed.",
		set: func(a *attributeSet, v attributeValue) { a.lb.IdleTimeout = v.seconds() }},
	{Key: "client_keep_alive.seconds", Types: forA, Kind: IntegerAttribute, Min: 60, Max: 604800, Default: "3600",
		Doc: "How long a client connection may be kept in use, at most.",
		set: func(a *attributeSet, v attributeValue) { a.lb.ClientKeepAlive = v.seconds() }},
	{Key: "connection_logs.s3.enabled", Types: forA, Default: "false", NotYet: true, Doc: "Whether connection logs are stored in S3."},
	{Key: "connection_logs.s3.bucket", Types: forA, Kind: TextAttribute, NotYet: true, Doc: "The bucket for connection logs."},
	{Key: "connection_logs.s3.prefix", Types: forA, Kind: TextAttribute, NotYet: true, Doc: "The prefix of connection log objects."},
	{Key: "health_check_logs.s3.enabled", Types: forA, Default: "false", NotYet: true, Doc: "Whether health check logs are stored in S3."},
	{Key: "health_check_logs.s3.bucket", Types: forA, Kind: TextAttribute, NotYet: true, Doc: "The bucket for health check logs."},
	{Key: "health_check_logs.s3.prefix", Types: forA, Kind: TextAttribute, NotYet: true, Doc: "The prefix of health check log objects."},
	{Key: "routing.http.desync_mitigation_mode", Types: forA, Kind: WordAttribute, Words: desync.ModeNames(), Default: "defensive",
		Doc: "How requests that could be understood in two ways are treated. See docs/desync.md.",
		set: func(a *attributeSet, v attributeValue) {
			a.lb.DesyncMode = desync.Mode(slices.Index(desync.ModeNames(), v.text))
		}},
	{Key: "routing.http.drop_invalid_header_fields.enabled", Types: forA, Default: "false",
		Doc: "Whether header fields are removed whose name has other characters than letters, digits and hyphens.",
		set: func(a *attributeSet, v attributeValue) { a.lb.DropInvalidFields = v.on }},
	{Key: "routing.http.preserve_host_header.enabled", Types: forA, Default: "false",
		Doc: "Whether the Host header reaches targets as the client sent it.",
		set: func(a *attributeSet, v attributeValue) { a.lb.PreserveHostHeader = v.on }},
	{Key: "routing.http.x_amzn_tls_version_and_cipher_suite.enabled", Types: forA, Default: "false", NotYet: true,
		Doc: "Whether targets are told the client's TLS version and cipher suite."},
	{Key: "routing.http.xff_client_port.enabled", Types: forA, Default: "false",
		Doc: "Whether X-Forwarded-For has the client's port, too. Ignored unless the header is appended to.",
		set: func(a *attributeSet, v attributeValue) { a.lb.XFFClientPort = v.on }},
	{Key: "routing.http.xff_header_processing.mode", Types: forA, Kind: WordAttribute, Words: xffModes, Default: "append",
		Doc: "What happens to X-Forwarded-For: the client's address is appended, the header stays as it is, or it is removed.",
		set: func(a *attributeSet, v attributeValue) { a.lb.XFFMode = XFFMode(slices.Index(xffModes, v.text)) }},
	{Key: "routing.http2.enabled", Types: forA, Default: "true", NotYet: true, Doc: "Whether clients of HTTPS listeners may use HTTP/2."},
	{Key: "waf.fail_open.enabled", Types: forA, Default: "false", NotYet: true, Doc: "Whether requests pass when the web application firewall cannot be asked."},
	{Key: "dns_record.client_routing_policy", Types: forN, Kind: WordAttribute, Default: "any_availability_zone", NotYet: true,
		Words: []string{"any_availability_zone", "partial_availability_zone_affinity", "availability_zone_affinity"},
		Doc:   "How strongly clients are answered with addresses of their own zone."},
	{Key: "secondary_ips.auto_assigned.per_subnet", Types: forN, Kind: IntegerAttribute, Min: 0, Max: 7, Default: "0", NotYet: true,
		Doc: "How many more source addresses per zone connections to targets may use."},
	{Key: "elbow.target_connect_timeout.seconds", Types: forA, Kind: IntegerAttribute, Min: 1, Max: 60, Default: "10",
		Doc: "How long connecting to a target may take. ELB's is always 10.",
		set: func(a *attributeSet, v attributeValue) { a.lb.ConnectTimeout = v.seconds() }},
	{Key: "elbow.target_idle_timeout.seconds", Types: forA, Kind: IntegerAttribute, Min: 1, Max: 4000, Default: "60",
		Doc: "How long an unused connection to a target is kept for the next request. Below the target's own keep-alive timeout it is never the target that closes first.",
		set: func(a *attributeSet, v attributeValue) { a.lb.TargetIdleTimeout = v.seconds() }},
	{Key: "elbow.target_max_idle_connections", Types: forA, Kind: IntegerAttribute, Min: 0, Max: 1000000, Default: "1024",
		Doc: "How many unused connections are kept for each target. 0 makes a connection for every request.",
		set: func(a *attributeSet, v attributeValue) { a.lb.TargetMaxIdle = v.n }},
	{Key: "elbow.request_head_timeout.seconds", Types: forA, Kind: IntegerAttribute, Min: 1, Max: 4000, Default: "10",
		Doc: "How long a request's head may take to arrive, from its first byte. ELB has the idle timeout here.",
		set: func(a *attributeSet, v attributeValue) { a.lb.HeadTimeout = v.seconds() }},
	{Key: "elbow.client_send_timeout.seconds", Types: forA, Kind: IntegerAttribute, Min: 1, Max: 4000, Default: "30",
		Doc: "How long a client may take nothing of its response.",
		set: func(a *attributeSet, v attributeValue) { a.lb.SendTimeout = v.seconds() }},
	{Key: "elbow.client_min_rate.bytes_per_second", Types: forA, Kind: IntegerAttribute, Min: 0, Max: 1000000, Default: "240",
		Doc: "How fast, on average, a client must send its request body, after 5 seconds' grace, and take its response. 0 leaves it to the idle timeout and the send timeout.",
		set: func(a *attributeSet, v attributeValue) { a.lb.ClientMinRate = v.n }},
	{Key: "elbow.trusted_proxies", Types: forA, Kind: NetworksAttribute, Default: noNetworks,
		Doc: "The proxies in front, whose X-Forwarded-For, -Proto and -Port are believed: the client of rules and logs is then the last address in X-Forwarded-For that is not of these networks. See docs/forwarded-headers.md.",
		set: func(a *attributeSet, v attributeValue) { a.lb.TrustedProxies = v.nets }},
}

// maxMinimumTargets bounds the minimum_healthy_targets counts. ELB's bound is
// the number of targets a group may have, which has no limit here.
const maxMinimumTargets = 1000000

var targetGroupRegistry = forOwner(OfTargetGroup, []Attribute{
	{Key: "deregistration_delay.timeout_seconds", Types: forANG, TargetTypes: []TargetType{TargetIP, TargetInstance, TargetALB}, Kind: IntegerAttribute, Min: 0, Max: 3600, Default: "300",
		Doc: "How long a target that is deregistered may take to finish the requests that it has. What is not finished then is cut. 0 cuts at once.",
		set: func(a *attributeSet, v attributeValue) { a.group.DeregistrationDelay = v.seconds() }},
	{Key: "stickiness.enabled", Types: forA, Default: "false",
		Doc: "Whether a client stays with its target. Not with the algorithm weighted_random, and not with cross-zone load balancing off.",
		set: func(a *attributeSet, v attributeValue) { a.group.Stickiness.Enabled = v.on }},
	{Key: "stickiness.enabled", Types: forN | forG, Default: "false", NotYet: true, Doc: "Whether a client stays with its target."},
	{Key: "stickiness.type", Types: forA, Kind: WordAttribute, Words: stickinessTypes, Default: "lb_cookie",
		Doc: "Whether stickiness uses a cookie of the load balancer or one of the application. app_cookie does not go with several weighted target groups.",
		set: func(a *attributeSet, v attributeValue) {
			a.group.Stickiness.Type = StickinessType(slices.Index(stickinessTypes, v.text))
		}},
	{Key: "stickiness.type", Types: forN, Kind: WordAttribute, Words: []string{"source_ip"}, Default: "source_ip", NotYet: true,
		Doc: "What stickiness goes by."},
	{Key: "stickiness.type", Types: forG, Kind: WordAttribute, Words: []string{"source_ip_dest_ip", "source_ip_dest_ip_proto"}, NotYet: true,
		Doc: "What a flow is known by when stickiness is on; off, it is the 5-tuple."},
	{Key: "load_balancing.cross_zone.enabled", Types: forAN, Kind: WordAttribute, Words: []string{"true", "false", "use_load_balancer_configuration"},
		Default: "use_load_balancer_configuration",
		Doc:     "Whether targets of all zones are used, whatever zone a request came in by. Off, every target must name its zone.",
		set: func(a *attributeSet, v attributeValue) {
			a.group.CrossZone = CrossZone(slices.Index(crossZones, v.text))
		}},
	{Key: "target_group_health.dns_failover.minimum_healthy_targets.count", Types: forAN, Kind: IntegerAttribute, Words: []string{"off"}, Min: 1, Max: maxMinimumTargets, Default: "1", NotYet: true,
		Doc: "With fewer healthy targets in a zone, DNS stops answering with the zone. Not supported, because Elbow does not answer DNS: whoever does can read elbow_healthy_hosts."},
	{Key: "target_group_health.dns_failover.minimum_healthy_targets.percentage", Types: forAN, Kind: IntegerAttribute, Words: []string{"off"}, Min: 1, Max: 100, Default: "off", NotYet: true,
		Doc: "With a smaller share of healthy targets in a zone, DNS stops answering with the zone. Not supported, as the count is not."},
	{Key: "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", Types: forA, Kind: IntegerAttribute, Min: 1, Max: maxMinimumTargets, Default: "1",
		Doc: "With fewer healthy targets, all are used, healthy or not. The default means: when none is healthy. With cross-zone load balancing off it holds for each zone.",
		set: func(a *attributeSet, v attributeValue) { a.group.MinimumHealthy = v.n }},
	{Key: "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", Types: forN, Kind: IntegerAttribute, Min: 1, Max: maxMinimumTargets, Default: "1", NotYet: true,
		Doc: "With fewer healthy targets, all are used, healthy or not. The default means: when none is healthy."},
	{Key: "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", Types: forA, Kind: IntegerAttribute, Words: []string{"off"}, Min: 1, Max: 100, Default: "off",
		Doc: "With a smaller share of healthy targets, all are used, healthy or not. The count holds besides: either is enough.",
		set: func(a *attributeSet, v attributeValue) { a.group.MinimumHealthyPercent = v.n }},
	{Key: "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", Types: forN, Kind: IntegerAttribute, Words: []string{"off"}, Min: 1, Max: 100, Default: "off", NotYet: true,
		Doc: "With a smaller share of healthy targets, all are used, healthy or not."},
	{Key: "load_balancing.algorithm.type", Types: forA, Kind: WordAttribute, Words: algorithms, Default: "round_robin",
		Doc: "How a target is picked for a request.",
		set: func(a *attributeSet, v attributeValue) {
			a.group.Algorithm = Algorithm(slices.Index(algorithms, v.text))
		}},
	{Key: "load_balancing.algorithm.anomaly_mitigation", Types: forA, Kind: WordAttribute, Words: []string{"on", "off"}, Default: "off",
		Doc: "Whether targets that fail more of their requests, or answer slower, than the others get less while they do; only with weighted_random, and with three healthy targets at least.",
		set: func(a *attributeSet, v attributeValue) { a.group.AnomalyMitigation = v.text == "on" }},
	{Key: "slow_start.duration_seconds", Types: forA, Kind: IntegerAttribute, Words: []string{"0"}, Min: 30, Max: 900, Default: "0",
		Doc: "How long the share of a target that has become healthy grows, linearly from 1 % to a whole share; 0 turns it off. Not for targets that are registered while no target takes a whole share, and only with the algorithm round_robin.",
		set: func(a *attributeSet, v attributeValue) { a.group.SlowStart = v.seconds() }},
	{Key: "stickiness.lb_cookie.duration_seconds", Types: forA, Kind: IntegerAttribute, Min: 1, Max: 604800, Default: "86400",
		Doc: "How long a client stays with its target by the load balancer's cookie, counted from its last request.",
		set: func(a *attributeSet, v attributeValue) { a.group.Stickiness.LBCookieDuration = v.seconds() }},
	{Key: "stickiness.app_cookie.cookie_name", Types: forA, Kind: TextAttribute, Max: 256,
		Doc: "The application's cookie. Names that begin with AWSALB are the load balancer's.",
		set: func(a *attributeSet, v attributeValue) { a.group.Stickiness.AppCookieName = v.text }},
	{Key: "stickiness.app_cookie.duration_seconds", Types: forA, Kind: IntegerAttribute, Min: 1, Max: 604800, Default: "86400",
		Doc: "How long a client stays with its target by the application's cookie, counted from when the target set it.",
		set: func(a *attributeSet, v attributeValue) { a.group.Stickiness.AppCookieDuration = v.seconds() }},
	{Key: "lambda.multi_value_headers.enabled", Types: forA, TargetTypes: []TargetType{TargetLambda}, Default: "false", NotYet: true,
		Doc: "Whether header fields and query parameters reach a function as lists."},
	{Key: "waf.http2.traffic_inspection_behavior", Types: forA, Kind: WordAttribute, Words: []string{"inspect_after_sufficient_data"}, NotYet: true,
		Doc: "How much of an HTTP/2 body the web application firewall waits for."},
	{Key: "deregistration_delay.connection_termination.enabled", Types: forN, Protocols: []Protocol{TCP, TLS, QUIC, TCPQUIC}, Default: "false", NotYet: true,
		Doc: "Whether connections are closed at the end of the deregistration delay."},
	{Key: "deregistration_delay.connection_termination.enabled", Types: forN, Protocols: []Protocol{UDP, TCPUDP}, Default: "true", NotYet: true,
		Doc: "Whether flows are closed at the end of the deregistration delay."},
	{Key: "preserve_client_ip.enabled", Types: forN, TargetTypes: []TargetType{TargetInstance}, Protocols: []Protocol{TCP, TLS}, Default: "true", NotYet: true,
		Doc: "Whether targets see the client's address."},
	{Key: "preserve_client_ip.enabled", Types: forN, TargetTypes: []TargetType{TargetIP}, Protocols: []Protocol{TCP, TLS}, Default: "false", NotYet: true,
		Doc: "Whether targets see the client's address."},
	{Key: "preserve_client_ip.enabled", Types: forN, TargetTypes: []TargetType{TargetIP, TargetInstance}, Protocols: []Protocol{UDP, TCPUDP, QUIC, TCPQUIC}, Kind: WordAttribute, Words: []string{"true"}, Default: "true", NotYet: true,
		Doc: "Whether targets see the client's address; always for UDP."},
	{Key: "proxy_protocol_v2.enabled", Types: forN, Default: "false", NotYet: true, Doc: "Whether targets are told the client's address by a PROXY protocol header."},
	{Key: "target_health_state.unhealthy.connection_termination.enabled", Types: forN, Protocols: []Protocol{TCP, TLS, QUIC, TCPQUIC}, Default: "true", NotYet: true,
		Doc: "Whether connections to a target that becomes unhealthy are closed."},
	{Key: "target_health_state.unhealthy.connection_termination.enabled", Types: forN, Protocols: []Protocol{UDP, TCPUDP}, Kind: WordAttribute, Words: []string{"false"}, Default: "false", NotYet: true,
		Doc: "Whether flows to a target that becomes unhealthy are closed; never for UDP."},
	{Key: "target_health_state.unhealthy.draining_interval_seconds", Types: forN, Kind: IntegerAttribute, Min: 0, Max: 360000, Default: "0", NotYet: true,
		Doc: "How long an unhealthy target keeps its connections when they are not closed."},
	{Key: "elbow.retry_budget.percent", Types: forA, Kind: IntegerAttribute, Words: []string{"off"}, Min: 1, Max: 100, Default: "off",
		Doc: "How many retries requests may have, as a percentage of the requests; 20 is a good value. One beyond it is not made, and the request fails as its last attempt did. Ten retries at a time are free, for each event loop.",
		set: func(a *attributeSet, v attributeValue) { a.group.RetryBudget = v.n }},
	{Key: "target_failover.on_deregistration", Types: forG, Kind: WordAttribute, Words: []string{"rebalance", "no_rebalance"}, Default: "no_rebalance", NotYet: true,
		Doc: "What happens to the flows of a target that leaves. The same as on_unhealthy."},
	{Key: "elbow.failover.enabled", Types: forA, Default: "false",
		Doc: "Whether a forward action with several target groups gives this group's share to the others while it has fewer healthy targets than minimum_healthy_targets asks for: to those with a weight, by weight, else to those of weight 0. ELB never does.",
		set: func(a *attributeSet, v attributeValue) { a.group.Failover = v.on }},
	{Key: "target_failover.on_unhealthy", Types: forG, Kind: WordAttribute, Words: []string{"rebalance", "no_rebalance"}, Default: "no_rebalance", NotYet: true,
		Doc: "What happens to the flows of a target that becomes unhealthy. The same as on_deregistration."},
	{Key: "elbow.max_outstanding_requests", Types: forA, Kind: IntegerAttribute, Min: 0, Max: 1000000, Default: "0",
		Doc: "How many requests each target has at a time. One for which no target has room waits (elbow.queue_size) or is answered 503 with Retry-After. 0 sets no bound.",
		set: func(a *attributeSet, v attributeValue) { a.group.MaxOutstanding = v.n }},
	{Key: "elbow.queue_size", Types: forA, Kind: IntegerAttribute, Min: 0, Max: 1000000, Default: "0",
		Doc: "How many requests may wait for a target with room, first come, first served.",
		set: func(a *attributeSet, v attributeValue) { a.group.QueueSize = v.n }},
	{Key: "elbow.queue_timeout.milliseconds", Types: forA, Kind: IntegerAttribute, Min: 1, Max: 60000, Default: "1000",
		Doc: "How long a request may wait for a target with room, to a quarter of a second; then it is answered 503 with Retry-After.",
		set: func(a *attributeSet, v attributeValue) { a.group.QueueTimeout = time.Duration(v.n) * time.Millisecond }},
})

var listenerRegistry = forOwner(OfListener, slices.Concat([]Attribute{
	{Key: "tcp.idle_timeout.seconds", Types: forN, Protocols: []Protocol{TCP}, Kind: IntegerAttribute, Min: 60, Max: 6000, Default: "350", NotYet: true,
		Doc: "How long a flow may stay silent before it is forgotten."},
	{Key: "tcp.idle_timeout.seconds", Types: forG, Kind: IntegerAttribute, Min: 60, Max: 6000, Default: "350", NotYet: true,
		Doc: "How long a TCP flow may stay silent before it is forgotten."},
	{Key: "routing.http.response.server.enabled", Types: forA, Default: "true",
		Doc: "Whether responses that the load balancer makes have a Server header.",
		set: func(a *attributeSet, v attributeValue) { a.listener.ServerHeader = v.on }},
	{Key: "elbow.max_connections", Types: forA, Kind: IntegerAttribute, Min: 0, Max: maxConnections, Default: "0",
		Doc: "How many client connections the listener takes at a time, over all its addresses; more are reset. 0 sets no bound but that of the descriptors the process may have.",
		set: func(a *attributeSet, v attributeValue) { a.listener.MaxConnections = v.n }},
	{Key: "elbow.max_connections_per_source", Types: forA, Kind: IntegerAttribute, Min: 0, Max: maxConnections, Default: "0",
		Doc: "How many client connections the listener takes at a time from one IPv4 address, or one IPv6 /64; more are reset. 0 sets no bound: many people may come from one address.",
		set: func(a *attributeSet, v attributeValue) { a.listener.MaxConnectionsPerSource = v.n }},
},
	requestHeaders(
		"x_amzn_mtls_clientcert_serial_number", "X-Amzn-Mtls-Clientcert-Serial-Number",
		"x_amzn_mtls_clientcert_issuer", "X-Amzn-Mtls-Clientcert-Issuer",
		"x_amzn_mtls_clientcert_subject", "X-Amzn-Mtls-Clientcert-Subject",
		"x_amzn_mtls_clientcert_validity", "X-Amzn-Mtls-Clientcert-Validity",
		"x_amzn_mtls_clientcert_leaf", "X-Amzn-Mtls-Clientcert-Leaf",
		"x_amzn_mtls_clientcert", "X-Amzn-Mtls-Clientcert",
		"x_amzn_tls_version", "X-Amzn-Tls-Version",
		"x_amzn_tls_cipher_suite", "X-Amzn-Tls-Cipher-Suite",
	),
	responseHeaderRegistry,
))

// maxConnections bounds the connections that can be asked for: more than a process
// can have descriptors on most systems (fs.nr_open).
const maxConnections = 1000000

// maxRenamedHeader bounds the name of a renamed request header.
const maxRenamedHeader = 40

// requestHeaders are the attributes that rename a header that targets get: pairs
// of the attribute's word and the header's usual name.
func requestHeaders(pairs ...string) []Attribute {
	var rows []Attribute
	for i := 0; i < len(pairs); i += 2 {
		rows = append(rows, Attribute{Key: "routing.http.request." + pairs[i] + ".header_name", Types: forA, Protocols: []Protocol{HTTPS},
			Kind: TextAttribute, Max: maxRenamedHeader, Default: pairs[i+1], NotYet: true,
			Doc: "The name under which targets get " + pairs[i+1] + "."})
	}
	return rows
}

func forOwner(owner AttributeOwner, rows []Attribute) []Attribute {
	for i := range rows {
		rows[i].Owner = owner
	}
	return rows
}

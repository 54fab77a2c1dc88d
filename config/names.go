package config

// The words of ELB for the enumerations of the Model.

// String returns the type's word: "application", "network" or "gateway".
func (t LoadBalancerType) String() string {
	return word([]string{"application", "network", "gateway"}, int(t))
}

// String returns the scheme's word: "internet-facing" or "internal".
func (s Scheme) String() string { return word([]string{"internet-facing", "internal"}, int(s)) }

// String returns the mode's word: "append", "preserve" or "remove".
func (m XFFMode) String() string { return word(xffModes, int(m)) }

var xffModes = []string{"append", "preserve", "remove"}

// String returns the protocol's word, such as "HTTP" or "TCP_UDP".
func (p Protocol) String() string { return word(protocols, int(p)) }

var protocols = []string{"HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "QUIC", "TCP_QUIC", "GENEVE"}

// String returns the field's word, such as "host-header".
func (f ConditionField) String() string { return word(conditionFields, int(f)) }

var conditionFields = []string{"host-header", "path-pattern", "http-header", "http-request-method", "query-string", "source-ip"}

// String returns the action's word: "forward", "redirect" or "fixed-response".
func (t ActionType) String() string {
	return word([]string{"forward", "redirect", "fixed-response"}, int(t))
}

// String returns the type's word: "ip", "instance", "lambda" or "alb".
func (t TargetType) String() string {
	return word([]string{"ip", "instance", "lambda", "alb"}, int(t))
}

// String returns the algorithm's word, such as "round_robin".
func (a Algorithm) String() string { return word(algorithms, int(a)) }

var algorithms = []string{"round_robin", "least_outstanding_requests", "weighted_random"}

// String returns the word of load_balancing.cross_zone.enabled.
func (c CrossZone) String() string { return word(crossZones, int(c)) }

var crossZones = []string{"use_load_balancer_configuration", "true", "false"}

// String returns the format's word: "elb" or "json".
func (f LogFormat) String() string { return word([]string{"elb", "json"}, int(f)) }

func word(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "unknown"
}

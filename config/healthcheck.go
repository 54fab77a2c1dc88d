package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

var healthCheckObject = &object{
	name: "health check",
	doc:  "How the targets of a group are checked. The names, ranges and defaults are those of an Application Load Balancer's target group; TCP checks are Elbow's addition.",
	fields: []field{
		{name: "enabled", kind: booleanValue, def: "true", doc: "Whether targets are checked. Targets that are not count as usable."},
		{name: "protocol", kind: choiceValue, def: "HTTP", values: []choice{{word: "HTTP"}, {word: "HTTPS", doc: "the certificate is not validated"}, {word: "TCP", doc: "passes when a connection opens"}},
			doc: "What a check speaks."},
		{name: "port", kind: textValue, def: trafficPort, numeric: true, format: "traffic-port or a port from 1 to 65535",
			pattern: `^(traffic-port|[1-9][0-9]{0,4})$`, doc: "The port to check: a number, or traffic-port for the port that a target takes traffic on."},
		{name: "path", kind: textValue, def: "/", max: 1024, pattern: `^/`, format: "a path that starts with /", doc: "The path, with a query if need be, that a check requests. Not for TCP."},
		{name: "interval_seconds", kind: integerValue, def: "30", min: 5, max: 300, unit: "seconds", doc: "The time from one check of a target to the next."},
		{name: "timeout_seconds", kind: integerValue, def: "5", min: 2, max: 120, unit: "seconds", doc: "How long a check may take before it has failed. Less than the interval; where the interval is 5 the default is 4."},
		{name: "healthy_threshold_count", kind: integerValue, def: "5", min: 2, max: 10, doc: "How many checks in a row an unhealthy target must pass to become healthy. The first check of a target decides alone."},
		{name: "unhealthy_threshold_count", kind: integerValue, def: "2", min: 2, max: 10, doc: "How many checks in a row a healthy target must fail to become unhealthy."},
		{name: "matcher", kind: textValue, def: "200", max: 256, numeric: true, format: "statuses from 200 to 499, such as 200-299,301",
			pattern: `^[2-4][0-9]{2}(-[2-4][0-9]{2})?(,[2-4][0-9]{2}(-[2-4][0-9]{2})?)*$`, doc: "The statuses, from 200 to 499, that a healthy target answers with: numbers and ranges, separated by commas. Not for TCP."},
	},
}

const (
	trafficPort = "traffic-port"

	minMatcher, maxMatcher = 200, 499 // of an Application Load Balancer
)

func (b *builder) healthCheck(f fields, group *TargetGroup) {
	n := f.set["health_check"]
	h := fields{r: &b.reporter, object: healthCheckObject, node: f.node, path: f.at("health_check")}
	if n != nil {
		var ok bool
		if h, ok = f.child("health_check"); !ok {
			return
		}
	}
	c := &group.HealthCheck
	c.Enabled, _ = h.boolean("enabled")
	protocol, protocolOK := h.choice("protocol")
	c.Protocol = Protocol(indexOf(protocols, protocol))
	c.Port = b.healthPort(h)
	c.HealthyThreshold, _ = h.integer("healthy_threshold_count")
	c.UnhealthyThreshold, _ = h.integer("unhealthy_threshold_count")

	interval, intervalOK := h.integer("interval_seconds")
	timeout, timeoutOK := h.integer("timeout_seconds")
	if intervalOK && timeoutOK && timeout >= interval {
		if h.has("timeout_seconds") {
			h.errorf("timeout_seconds", "must be less than interval_seconds, which is %d; got %d", interval, timeout)
		} else {
			timeout = interval - 1
		}
	}
	c.Interval, c.Timeout = time.Duration(interval)*time.Second, time.Duration(timeout)*time.Second

	if protocolOK && c.Protocol == TCP {
		for _, name := range []string{"path", "matcher"} {
			if h.has(name) {
				h.errorf(name, "does not belong to a TCP health check, which only opens a connection; use protocol HTTP or remove it")
			}
		}
		return
	}
	path, ok := h.text("path")
	if problem := requestPath(path); ok && problem != "" {
		h.wrong("path", problem)
	}
	c.Path = path
	text, ok := h.text("matcher")
	if !ok {
		return
	}
	matcher, problem := parseMatcher(text)
	if problem != "" {
		h.wrong("matcher", problem)
	}
	c.Matcher = matcher
}

func (b *builder) healthPort(h fields) uint16 {
	text, ok := h.text("port")
	if !ok || text == trafficPort {
		return 0
	}
	port, valid := parseInteger(text)
	if !valid || port < 1 || port > 65535 {
		h.errorf("port", "must be traffic-port or a port from 1 to 65535, got %s%s", h.set["port"].shown(), h.r.suggestFor(h.set["port"], []string{trafficPort}))
		return 0
	}
	return uint16(port)
}

// requestPath says what is wrong with a path that is to stand in a request.
func requestPath(s string) string {
	if !strings.HasPrefix(s, "/") {
		return "must start with /"
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '#' {
			return fmt.Sprintf("must be made of visible ASCII characters but #; it holds %q, write it as %%%02X", rune(c), c)
		}
	}
	return ""
}

// parseMatcher parses a list of statuses and ranges of statuses, such as
// "200-299,301".
func parseMatcher(text string) (m Matcher, problem string) {
	wrong := fmt.Sprintf("must be statuses from %d to %d, as numbers and ranges separated by commas, such as 200-299,301", minMatcher, maxMatcher)
	m.Text = text
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		r := StatusRange{status(low), status(high)}
		if r.Low == 0 || r.High == 0 {
			return m, wrong
		}
		if r.Low > r.High {
			return m, "must name the lower status of a range first"
		}
		m.Ranges = append(m.Ranges, r)
	}
	return m, ""
}

// status parses a status that a matcher may name; 0 means it is none.
func status(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || len(s) != 3 || n < minMatcher || n > maxMatcher {
		return 0
	}
	return n
}

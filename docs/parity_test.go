package docs

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/metrics"
)

var update = flag.Bool("update", false, "rewrite parity.md")

// What an Application Load Balancer has and we do not, or have otherwise, and
// why. The tests see to it that nothing is left out and that nothing is said
// here that is no longer so.
const notHere = "not applicable: "

// attributeRemarks are by attribute key.
var attributeRemarks = map[string]string{
	"deletion_protection.enabled":                                         notHere + "there is no API that could delete a load balancer; a file is deleted by its owner",
	"ipv6.deny_all_igw_traffic":                                           notHere + "there is no internet gateway",
	"access_logs.s3.enabled":                                              "not yet; `access_log` writes to a file or stdout",
	"waf.fail_open.enabled":                                               notHere + "there is no AWS WAF",
	"waf.http2.traffic_inspection_behavior":                               notHere + "there is no AWS WAF",
	"secondary_ips.auto_assigned.per_subnet":                              notHere + "addresses are the machine's own",
	"target_group_health.dns_failover.minimum_healthy_targets.count":      notHere + "there is no DNS of ours to take a zone out of; /readyz and the zone's metrics tell whoever owns it",
	"target_group_health.dns_failover.minimum_healthy_targets.percentage": notHere + "see the count",
}

// cloudWatch lists the metrics of the namespace AWS/ApplicationELB (user guide,
// CloudWatch metrics). A remark stands where the catalog has no counterpart.
var cloudWatch = []struct{ name, remark string }{
	{"ActiveConnectionCount", ""}, {"NewConnectionCount", ""}, {"RejectedConnectionCount", ""},
	{"ClientTLSNegotiationErrorCount", "not yet: TLS"},
	{"ConsumedLCUs", notHere + "nobody bills"}, {"PeakLCUs", notHere + "nobody bills"}, {"ReservedLCUs", notHere + "nobody bills"},
	{"DesyncMitigationMode_NonCompliant_Request_Count", ""},
	{"DroppedInvalidHeaderRequestCount", ""}, {"ForwardedInvalidHeaderRequestCount", ""},
	{"GrpcRequestCount", "not yet: gRPC"},
	{"HTTP_Fixed_Response_Count", ""}, {"HTTP_Redirect_Count", ""}, {"HTTP_Redirect_Url_Limit_Exceeded_Count", ""},
	{"HTTPCode_ELB_3XX_Count", ""}, {"HTTPCode_ELB_4XX_Count", ""}, {"HTTPCode_ELB_5XX_Count", ""},
	{"HTTPCode_ELB_500_Count", ""}, {"HTTPCode_ELB_502_Count", ""}, {"HTTPCode_ELB_503_Count", ""}, {"HTTPCode_ELB_504_Count", ""},
	{"IPv6ProcessedBytes", "not yet"}, {"IPv6RequestCount", "not yet"},
	{"LowReputationPacketsDropped", notHere + "there is no reputation list"}, {"LowReputationRequestsDenied", notHere + "there is no reputation list"},
	{"NonStickyRequestCount", ""}, {"ProcessedBytes", ""}, {"RequestCount", ""}, {"RuleEvaluations", ""},
	{"HealthyHostCount", ""}, {"UnHealthyHostCount", ""},
	{"AnomalousHostCount", ""}, {"MitigatedHostCount", ""}, {"ZonalShiftedHostCount", "not yet"},
	{"HTTPCode_Target_2XX_Count", ""}, {"HTTPCode_Target_3XX_Count", ""}, {"HTTPCode_Target_4XX_Count", ""}, {"HTTPCode_Target_5XX_Count", ""},
	{"RequestCountPerTarget", ""}, {"TargetConnectionErrorCount", ""}, {"TargetResponseTime", ""}, {"TargetTLSNegotiationErrorCount", ""},
	{"HealthyStateDNS", notHere + "there is no DNS of ours"}, {"UnhealthyStateDNS", notHere + "there is no DNS of ours"},
	{"HealthyStateRouting", "differs: `elbow_target_group_fail_open` is 1 where this is unhealthy"},
	{"UnhealthyStateRouting", ""},
	{"UnhealthyRoutingRequestCount", "not yet"},
	{"LambdaInternalError", "not yet: lambda targets"}, {"LambdaTargetProcessedBytes", "not yet: lambda targets"}, {"LambdaUserError", "not yet: lambda targets"},
	{"ELBAuthError", "not yet: authentication"}, {"ELBAuthFailure", "not yet: authentication"}, {"ELBAuthLatency", "not yet: authentication"},
	{"ELBAuthRefreshTokenSuccess", "not yet: authentication"}, {"ELBAuthSuccess", "not yet: authentication"}, {"ELBAuthUserClaimsSizeExceeded", "not yet: authentication"},
	{"JWTValidationFailureCount", "not yet: authentication"}, {"JWTValidationSuccessCount", "not yet: authentication"},
}

// configured are conditions, actions, transforms, target types and versions, each
// with a configuration that must be accepted, or refused as not supported yet.
var configured = []struct {
	kind, name string
	supported  bool
	action     string // of the default rule; "" forwards
	rule       string // of a rule that forwards
	group      string // fields of the target group
	remark     string
}{
	{kind: "condition", name: "host-header", supported: true, rule: `conditions: [{field: host-header, values: ["*.example.com"]}]`},
	{kind: "condition", name: "path-pattern", supported: true, rule: `conditions: [{field: path-pattern, values: ["/a/*"]}]`, remark: "matched on a [canonical form](path-matching.md) of the path"},
	{kind: "condition", name: "http-header", supported: true, rule: `conditions: [{field: http-header, http_header_name: X-A, values: ["*b*"]}]`},
	{kind: "condition", name: "http-request-method", supported: true, rule: `conditions: [{field: http-request-method, values: [GET]}]`},
	{kind: "condition", name: "query-string", supported: true, rule: `conditions: [{field: query-string, values: [{key: a, value: b}]}]`},
	{kind: "condition", name: "source-ip", supported: true, rule: `conditions: [{field: source-ip, values: [192.0.2.0/24]}]`},
	{kind: "condition", name: "regular expressions", supported: true, rule: `conditions: [{field: path-pattern, regex_values: ["^/a"]}]`, remark: "RE2, which cannot be made to run for long"},
	{kind: "transform", name: "host-header-rewrite", supported: true, rule: "conditions: [{field: path-pattern, values: [/a]}]\n            transforms: [{type: host-header-rewrite, host_header_rewrite_config: {rewrites: [{regex: \"^a\", replace: b}]}}]"},
	{kind: "transform", name: "url-rewrite", supported: true, rule: "conditions: [{field: path-pattern, values: [/a]}]\n            transforms: [{type: url-rewrite, url_rewrite_config: {rewrites: [{regex: \"^/a\", replace: /b}]}}]"},
	{kind: "action", name: "forward", supported: true},
	{kind: "action", name: "forward, weighted, with stickiness", supported: true, action: "{type: forward, target_groups: [{name: web, weight: 1}], stickiness: {enabled: true, duration_seconds: 60}}"},
	{kind: "action", name: "redirect", supported: true, action: "{type: redirect, status_code: HTTP_301, path: /x}"},
	{kind: "action", name: "fixed-response", supported: true, action: "{type: fixed-response, status_code: 200}"},
	{kind: "action", name: "authenticate-oidc", action: "{type: authenticate-oidc}"},
	{kind: "action", name: "authenticate-cognito", action: "{type: authenticate-cognito}"},
	{kind: "action", name: "jwt-validation", action: "{type: jwt-validation}"},
	{kind: "target type", name: "ip", supported: true, group: "target_type: ip", remark: "also a DNS name, followed by its TTL"},
	{kind: "target type", name: "instance", group: "target_type: instance"},
	{kind: "target type", name: "lambda", group: "target_type: lambda"},
	{kind: "protocol to targets", name: "HTTP", supported: true, group: "protocol: HTTP"},
	{kind: "protocol to targets", name: "HTTPS", group: "protocol: HTTPS"},
	{kind: "protocol version", name: "HTTP1", supported: true, group: "protocol_version: HTTP1"},
	{kind: "protocol version", name: "HTTP2", group: "protocol_version: HTTP2"},
	{kind: "protocol version", name: "GRPC", group: "protocol_version: GRPC"},
}

// statuses are those that ELB generates (user guide, Troubleshooting: HTTP
// errors), each with a script that makes it, or a remark.
var statuses = []struct {
	code   int
	remark string
}{
	{400, ""}, {401, "not yet: authentication"}, {403, notHere + "AWS WAF"}, {405, ""}, {408, ""},
	{413, "not yet: lambda targets alone have a limit on bodies"}, {414, ""}, {460, ""}, {463, ""},
	{464, "not yet: HTTP/2 and gRPC target groups"}, {500, ""}, {501, "differs: only for a transfer coding that is not understood; nothing is unimplemented otherwise"},
	{502, ""}, {503, ""}, {504, ""}, {505, ""}, {507, ""}, {561, "not yet: authentication"},
}

// logFields are the fields of ELB's access log.
var logFields = []struct{ name, remark string }{
	{"type", ""}, {"time", ""}, {"elb", ""}, {"client:port", ""}, {"target:port", ""}, {"request_processing_time", ""},
	{"target_processing_time", ""}, {"response_processing_time", ""}, {"elb_status_code", ""}, {"target_status_code", ""},
	{"received_bytes", ""}, {"sent_bytes", ""}, {"request_line", ""}, {"user_agent", ""},
	{"ssl_cipher", "not yet: TLS; `-`"}, {"ssl_protocol", "not yet: TLS; `-`"}, {"target_group_arn", "differs: the end of an ARN, `targetgroup/name/id`"},
	{"trace_id", ""}, {"domain_name", "not yet: TLS; `-`"}, {"chosen_cert_arn", "not yet: TLS; `-`"}, {"matched_rule_priority", ""},
	{"request_creation_time", ""}, {"actions_executed", ""}, {"redirect_url", ""}, {"error_reason", "differs: more [words](access-log.md), one for each reason"},
	{"target:port_list", ""}, {"target_status_code_list", ""}, {"classification", ""}, {"classification_reason", ""}, {"conn_trace_id", ""},
	{"transformed_host", ""}, {"transformed_uri", ""}, {"request_transform_status", ""}, {"ip_address", "our address that the client came to"},
}

// attributeState says how an attribute is supported.
func attributeState(a config.Attribute) string {
	switch {
	case attributeRemarks[a.Key] != "":
		return attributeRemarks[a.Key]
	case a.NotYet:
		return "not yet"
	case len(a.NotYetWords) > 0:
		return "supported, but not yet: " + strings.Join(a.NotYetWords, ", ")
	}
	return "supported"
}

func parity(t *testing.T) []byte {
	var b strings.Builder
	b.WriteString(`<!-- Generated by ` + "`go test ./docs -run TestParity -update`" + ` from parity_test.go, which holds it to the code; do not edit. -->

# What an Application Load Balancer has

Supported, differs (how), not yet, or not applicable (why). What is not yet supported is refused by the configuration, never
silently accepted.

## Attributes

Meanings, values and defaults are in the [reference](reference/attributes.md).

| Attribute | Of | |
|---|---|---|
`)
	for _, a := range config.Attributes() {
		if a.Types.Has(config.Application) && !strings.HasPrefix(a.Key, "elbow.") {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", a.Key, a.Owner, attributeState(a))
		}
	}
	b.WriteString("\n## Conditions, actions, targets\n\n| | | |\n|---|---|---|\n")
	for _, c := range configured {
		state := "not yet"
		if c.supported {
			state = "supported"
		}
		if c.remark != "" {
			state += "; " + c.remark
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", c.kind, c.name, state)
	}
	b.WriteString("\n## Statuses\n\nWhat each is for is in [operations](operations.md#what-an-error-status-means).\n\n| Status | |\n|---|---|\n")
	for _, s := range statuses {
		fmt.Fprintf(&b, "| %d | %s |\n", s.code, orSupported(s.remark))
	}
	b.WriteString("\n## Access log fields\n\n| | Field | |\n|---|---|---|\n")
	for i, f := range logFields {
		fmt.Fprintf(&b, "| %d | `%s` | %s |\n", i+1, f.name, orSupported(f.remark))
	}
	b.WriteString("\n## CloudWatch metrics\n\n| AWS/ApplicationELB | |\n|---|---|\n")
	for _, m := range cloudWatch {
		state := m.remark
		if names := counterparts(m.name); len(names) > 0 {
			state = strings.Join(names, ", ")
		}
		fmt.Fprintf(&b, "| %s | %s |\n", m.name, state)
	}
	return []byte(b.String())
}

func orSupported(remark string) string {
	if remark == "" {
		return "supported"
	}
	return remark
}

// counterparts are our metrics that say what one of CloudWatch's does.
func counterparts(name string) []string {
	var out []string
	for _, m := range metrics.Catalog() {
		words := strings.FieldsFunc(m.CloudWatch, func(r rune) bool { return r == ',' || r == ' ' || r == '(' || r == ')' })
		if slices.Contains(words, name) {
			out = append(out, "`"+m.Name+"`")
		}
	}
	return out
}

// TestParity holds parity.md to what is.
func TestParity(t *testing.T) {
	text := parity(t)
	if *update {
		if err := os.WriteFile("parity.md", text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile("parity.md"); err != nil || string(have) != string(text) {
		t.Errorf("parity.md is not what is generated (%v); run go test ./docs -run TestParity -update and read the diff", err)
	}

	for key, remark := range attributeRemarks {
		i := slices.IndexFunc(config.Attributes(), func(a config.Attribute) bool { return a.Key == key })
		if i < 0 {
			t.Errorf("a remark on %s, which is no attribute", key)
		} else if a := config.Attributes()[i]; !a.NotYet {
			t.Errorf("%s is supported, but the remark says %s", key, remark)
		}
	}
	for _, m := range cloudWatch {
		if has := len(counterparts(m.name)) > 0; has == (m.remark != "") {
			t.Errorf("CloudWatch metric %s: counterpart %v, remark %q: want one of the two", m.name, has, m.remark)
		}
	}
	for _, m := range metrics.Catalog() {
		for name := range strings.SplitSeq(m.CloudWatch, ", ") {
			name, _, _ = strings.Cut(name, " ")
			known := func(c struct{ name, remark string }) bool { return c.name == name }
			if name != "" && 'A' <= name[0] && name[0] <= 'Z' && !slices.ContainsFunc(cloudWatch, known) {
				t.Errorf("%s is said to be CloudWatch's %s, which does not exist", m.Name, name)
			}
		}
	}
}

// TestParityConfigured tries every condition, action and target type.
func TestParityConfigured(t *testing.T) {
	for _, c := range configured {
		action := "{type: forward, target_group: web}"
		if c.action != "" {
			action = c.action
		}
		text := "version: 1\nload_balancers:\n  - name: lb\n    listeners:\n      - port: 80\n        default_actions: [" + action + "]\n"
		if c.rule != "" {
			text += "        rules:\n          - priority: 1\n            " + c.rule + "\n            actions: [{type: forward, target_group: web}]\n"
		}
		text += "target_groups:\n  - name: web\n    port: 80\n"
		if c.group != "" {
			text += "    " + c.group + "\n"
		}
		_, diags := config.Parse("lb.yaml", []byte(text), nil)
		switch {
		case c.supported && diags.Err() != nil:
			t.Errorf("%s %s: %v\n%s", c.kind, c.name, diags.Err(), text)
		case !c.supported && (diags.Err() == nil || !strings.Contains(diags.Err().Error(), "not supported yet")):
			t.Errorf("%s %s is said not to be supported yet, but: %v", c.kind, c.name, diags.Err())
		}
	}
}

// TestParityScripts wants a spec script for every status that is supported, and
// for every field of the access log a place in its documentation.
func TestParityScripts(t *testing.T) {
	scripts, err := filepath.Glob("../test/spec/*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, s := range scripts {
		data, err := os.ReadFile(s)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	for _, s := range statuses {
		code := fmt.Sprint(s.code)
		made := strings.Contains(all.String(), "status "+code) || strings.Contains(all.String(), "elb_status_code="+code)
		if s.remark == "" && !made {
			t.Errorf("no spec script makes a %s", code)
		}
	}
	log, err := os.ReadFile("access-log.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range logFields {
		if !strings.Contains(string(log), f.name) {
			t.Errorf("access-log.md has no field %s", f.name)
		}
	}
}

package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestRegistry(t *testing.T) {
	type row struct {
		key      string
		owner    AttributeOwner
		lbType   LoadBalancerType
		protocol Protocol
		target   TargetType
	}
	seen := map[row]bool{}
	for _, a := range Attributes() {
		name := a.Owner.String() + " " + a.Key
		if !attributeKey.MatchString(a.Key) {
			t.Errorf("%s: not a key", name)
		}
		if !strings.HasSuffix(a.Doc, ".") {
			t.Errorf("%s: no doc, or not a sentence", name)
		}
		if a.NotYet == (a.set != nil) {
			t.Errorf("%s: must either have behaviour or be marked NotYet", name)
		}
		if a.Types == 0 {
			t.Errorf("%s: of no type", name)
		}
		for _, def := range []string{a.Default, a.InternalDefault} {
			if _, ok := a.check(def); !ok && def != "" {
				t.Errorf("%s: its default, %q, is not valid: must be %s", name, def, a.Allowed())
			}
		}
		if a.Default == "" && a.set != nil && a.Kind != TextAttribute {
			t.Errorf("%s: has behaviour but no default", name)
		}
		// No resource may find two rows for a key.
		for _, lbType := range []LoadBalancerType{Application, Network, Gateway} {
			for protocol := HTTP; protocol <= GENEVE; protocol++ {
				for _, target := range []TargetType{TargetIP, TargetInstance, TargetLambda, TargetALB} {
					if !a.applies(attributeOf{owner: a.Owner, lbType: lbType, protocol: protocol, targetType: target}) {
						continue
					}
					r := row{a.Key, a.Owner, lbType, protocol, target}
					if seen[r] {
						t.Errorf("%s: two rows for %+v", name, r)
					}
					seen[r] = true
				}
			}
		}
	}
}

// Every attribute with behaviour reaches its field: two different values make
// two different models.
func TestAttributesAreSet(t *testing.T) {
	for _, a := range Attributes() {
		if a.set == nil || a.Kind == WordAttribute && len(a.Words) == 1 {
			continue
		}
		values := map[AttributeKind][]string{BooleanAttribute: {"true", "false"}, WordAttribute: a.supportedWords(), NetworksAttribute: {noNetworks, "10.0.0.0/8"}}[a.Kind]
		if a.Kind == IntegerAttribute {
			values = []string{itoa(a.Min), itoa(a.Max)}
		}
		seen := map[string]bool{}
		for _, value := range values {
			v, ok := a.check(value)
			if !ok {
				t.Errorf("%s: %s is not valid", a.Key, value)
			}
			var s attributeSetValue
			a.set(&attributeSet{&s.lb, &s.group, &s.listener}, v)
			if seen[fmt.Sprint(s)] {
				t.Errorf("%s: %s changes nothing", a.Key, value)
			}
			seen[fmt.Sprint(s)] = true
		}
	}
}

type attributeSetValue struct {
	lb       LoadBalancerAttributes
	group    TargetGroupAttributes
	listener ListenerAttributes
}

// Booleans may be written as YAML writes them, and in no other way.
func TestBooleanWords(t *testing.T) {
	const text = `version: 1
load_balancers: [{name: a, attributes: {load_balancing.cross_zone.enabled: True, routing.http.preserve_host_header.enabled: BOOL},
  listeners: [{port: 80, default_actions: [{type: forward, target_group: g, stickiness: {enabled: False}}]}]}]
target_groups: [{name: g, port: 80, health_check: {enabled: FALSE}}]
`
	m, errs := Parse("lb.yaml", []byte(strings.Replace(text, "BOOL", "TRUE", 1)), nil)
	if errs != nil || !m.LoadBalancers[0].Attributes.PreserveHostHeader || m.TargetGroups[0].HealthCheck.Enabled {
		t.Errorf("got %v", errs)
	}
	if _, errs := Parse("lb.yaml", []byte(strings.Replace(text, "BOOL", "tRUE", 1)), nil); len(errs) != 1 {
		t.Errorf("tRUE: got %v", errs)
	}
}

// The rows of one key for the resources that ELB tells apart.
func TestAttributeRows(t *testing.T) {
	f := func(key string, of attributeOf, want string) {
		t.Helper()
		got := "none"
		if row := findAttribute(key, of); row != nil {
			got = row.Default
			if row.Kind == WordAttribute && len(row.Words) == 1 {
				got += " always"
			}
		}
		if got != want {
			t.Errorf("%s of %s, target type %s: %s, want %s", key, of, of.targetType, got, want)
		}
	}
	group := func(lb LoadBalancerType, p Protocol, target TargetType) attributeOf {
		return attributeOf{owner: OfTargetGroup, lbType: lb, protocol: p, targetType: target}
	}
	f("deregistration_delay.timeout_seconds", group(Application, HTTP, TargetIP), "300")
	f("deregistration_delay.timeout_seconds", group(Application, HTTP, TargetLambda), "none")
	f("lambda.multi_value_headers.enabled", group(Application, HTTP, TargetLambda), "false")
	f("lambda.multi_value_headers.enabled", group(Application, HTTP, TargetIP), "none")
	f("waf.http2.traffic_inspection_behavior", group(Application, HTTP, TargetIP), " always")
	f("preserve_client_ip.enabled", group(Network, TCP, TargetIP), "false")
	f("preserve_client_ip.enabled", group(Network, TCP, TargetInstance), "true")
	f("preserve_client_ip.enabled", group(Network, UDP, TargetIP), "true always")
	f("preserve_client_ip.enabled", group(Network, UDP, TargetInstance), "true always")
	f("deregistration_delay.connection_termination.enabled", group(Network, TCP, TargetIP), "false")
	f("deregistration_delay.connection_termination.enabled", group(Network, UDP, TargetIP), "true")
	f("target_health_state.unhealthy.connection_termination.enabled", group(Network, TCP, TargetIP), "true")
	f("target_health_state.unhealthy.connection_termination.enabled", group(Network, UDP, TargetIP), "false always")
}

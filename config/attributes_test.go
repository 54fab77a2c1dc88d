package config

import (
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
		if a.Default == "" && a.set != nil {
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
		values := map[AttributeKind][]string{BooleanAttribute: {"true", "false"}, WordAttribute: a.supportedWords()}[a.Kind]
		if a.Kind == IntegerAttribute {
			values = []string{itoa(a.Min), itoa(a.Max)}
		}
		seen := map[attributeSetValue]bool{}
		for _, value := range values {
			v, ok := a.check(value)
			if !ok {
				t.Errorf("%s: %s is not valid", a.Key, value)
			}
			var s attributeSetValue
			a.set(&attributeSet{&s.lb, &s.group, &s.listener}, v)
			if seen[s] {
				t.Errorf("%s: %s changes nothing", a.Key, value)
			}
			seen[s] = true
		}
	}
}

type attributeSetValue struct {
	lb       LoadBalancerAttributes
	group    TargetGroupAttributes
	listener ListenerAttributes
}

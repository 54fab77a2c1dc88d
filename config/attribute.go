package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// AttributeOwner is the kind of resource that has an attribute.
type AttributeOwner uint8

// The resources of ELBv2 that have attributes.
const (
	OfLoadBalancer AttributeOwner = iota
	OfTargetGroup
	OfListener
)

// String returns the owner's name as used in messages.
func (o AttributeOwner) String() string {
	return [...]string{"load balancer", "target group", "listener"}[o]
}

// AttributeKind is the form of an attribute's value.
type AttributeKind uint8

// The kinds of attribute values.
const (
	BooleanAttribute  AttributeKind = iota // true or false
	IntegerAttribute                       // Min to Max, or one of Words
	WordAttribute                          // one of Words
	TextAttribute                          // at most Max characters
	NetworksAttribute                      // networks in CIDR notation, separated by commas, or none
)

// Types is a set of load balancer types.
type Types uint8

// The sets that attributes apply to.
const (
	forA   Types = 1 << Application
	forN   Types = 1 << Network
	forG   Types = 1 << Gateway
	forAN        = forA | forN
	forANG       = forA | forN | forG
)

// Has tells whether t is in the set.
func (s Types) Has(t LoadBalancerType) bool { return s&(1<<t) != 0 }

// String lists the types: "application, network".
func (s Types) String() string {
	var names []string
	for _, t := range []LoadBalancerType{Application, Network, Gateway} {
		if s.Has(t) {
			names = append(names, t.String())
		}
	}
	return strings.Join(names, ", ")
}

// Attribute is one row of the registry: one attribute key, for the types of
// load balancer it means the same for. A key whose default or values depend on
// the type has a row for each.
type Attribute struct {
	Key   string
	Owner AttributeOwner
	// Types are the load balancer types it belongs to; a target group and a
	// listener are of the type that their protocol makes them.
	Types Types
	// Protocols restricts a listener's or target group's attribute to some
	// protocols; empty means all of the types'.
	Protocols []Protocol
	// TargetTypes restricts a target group's attribute; empty means all.
	TargetTypes []TargetType
	Kind        AttributeKind
	// Default is ELB's, as it would be written; "" means not set.
	Default string
	// InternalDefault is the default for an internal load balancer where it
	// is another one.
	InternalDefault string
	Min, Max        int      // IntegerAttribute: the range. TextAttribute: Max characters
	Words           []string // WordAttribute: all. IntegerAttribute: allowed beside the range
	// NotYet says that the behaviour does not exist yet. The key is known,
	// and accepted with its default, which changes nothing.
	NotYet bool
	// NotYetWords are those of Words (or true, or false) without behaviour.
	NotYetWords []string
	Doc         string

	// valid says what is wrong with a text that is not empty, "" if nothing is.
	// It is nil where any text will do.
	valid func(text string) string

	// set puts a checked value into the typed attributes. It is nil where
	// there is no behaviour.
	set func(a *attributeSet, v attributeValue)
}

// attributeSet is what a row's set writes to: the one of its owner is not nil.
type attributeSet struct {
	lb       *LoadBalancerAttributes
	group    *TargetGroupAttributes
	listener *ListenerAttributes
}

// attributeValue is a checked value in the forms a setter may want.
type attributeValue struct {
	text string
	n    int
	on   bool
	nets *Networks
}

func (v attributeValue) seconds() time.Duration { return time.Duration(v.n) * time.Second }

// Attributes returns the registry: every attribute of ELB and those of Elbow,
// by owner and key. The rows are copies.
func Attributes() []Attribute { return slices.Clone(registry) }

// Allowed says what values an attribute takes, for people.
func (a *Attribute) Allowed() string {
	switch a.Kind {
	case BooleanAttribute:
		return "true or false"
	case WordAttribute:
		return orList(a.Words)
	case IntegerAttribute:
		s := fmt.Sprintf("a whole number from %d to %d", a.Min, a.Max)
		if strings.HasSuffix(a.Key, "seconds") {
			s += " (seconds)"
		}
		return orList(append(slices.Clone(a.Words), s))
	case NetworksAttribute:
		return fmt.Sprintf("%s or networks in CIDR notation, separated by commas, at most %d", noNetworks, maxNetworks)
	}
	if a.Max == 0 {
		return "text"
	}
	return fmt.Sprintf("text of at most %d characters", a.Max)
}

// supportedWords are the words of a WordAttribute that have behaviour.
func (a *Attribute) supportedWords() []string {
	return slices.DeleteFunc(slices.Clone(a.Words), func(w string) bool { return slices.Contains(a.NotYetWords, w) })
}

// check parses a value, and says what is wrong with it. It does not look at
// NotYet.
func (a *Attribute) check(text string) (v attributeValue, ok bool) {
	v.text = text
	switch a.Kind {
	case BooleanAttribute:
		v.text = booleanWord(text)
		v.on = v.text == "true"
		return v, v.text == "true" || v.text == "false"
	case WordAttribute:
		if slices.Contains(a.Words, "true") {
			v.text = booleanWord(text)
		}
		return v, slices.Contains(a.Words, v.text)
	case IntegerAttribute:
		if slices.Contains(a.Words, text) {
			return v, true
		}
		v.n, ok = parseInteger(text)
		return v, ok && a.Min <= v.n && v.n <= a.Max
	case NetworksAttribute:
		v.nets, ok = parseNetworks(text)
		return v, ok
	}
	return v, a.Max == 0 || len(text) <= a.Max
}

// applies tells whether the attribute belongs to a resource.
func (a *Attribute) applies(o attributeOf) bool {
	return a.Owner == o.owner && a.Types.Has(o.lbType) &&
		(len(a.Protocols) == 0 || slices.Contains(a.Protocols, o.protocol)) &&
		(len(a.TargetTypes) == 0 || slices.Contains(a.TargetTypes, o.targetType))
}

// defaultFor is the default of a resource.
func (a *Attribute) defaultFor(o attributeOf) string {
	if a.InternalDefault != "" && o.scheme == Internal {
		return a.InternalDefault
	}
	return a.Default
}

// attributeOf describes the resource whose attributes are read.
type attributeOf struct {
	owner      AttributeOwner
	lbType     LoadBalancerType
	scheme     Scheme
	protocol   Protocol
	targetType TargetType
}

// String names the resource for messages.
func (o attributeOf) String() string {
	switch o.owner {
	case OfLoadBalancer:
		return fmt.Sprintf("a load balancer of type %s", o.lbType)
	case OfTargetGroup:
		return fmt.Sprintf("a target group of protocol %s", o.protocol)
	}
	return fmt.Sprintf("a listener of protocol %s", o.protocol)
}

// attributeKey is the syntax of ELB's attribute keys.
var attributeKey = regexp.MustCompile(`^[a-zA-Z0-9._]{1,256}$`)

// readAttributes fills a with the defaults of the resource and with what the
// field "attributes" of f says. It returns the values that were set.
func readAttributes(f fields, of attributeOf, a attributeSet) {
	for i := range registry {
		row := &registry[i]
		if row.set != nil && row.applies(of) {
			v, _ := row.check(row.defaultFor(of))
			row.set(&a, v)
		}
	}
	n := f.set["attributes"]
	if n == nil || n.bad {
		return
	}
	if n.kind != mapNode {
		f.errorf("attributes", "must be a map of attribute keys and values, such as idle_timeout.timeout_seconds: 60, got %s", n.kind)
		return
	}
	for _, p := range n.pairs {
		readAttribute(f.r, p, f.at("attributes")+"["+abbreviate(p.key.text)+"]", of, a)
	}
}

func readAttribute(r *reporter, p pair, path string, of attributeOf, a attributeSet) {
	row := findAttribute(p.key.text, of)
	if row == nil {
		r.errorFunc(p.key, path, func() string { return explainAttribute(r, p.key.text, of) })
		return
	}
	if !checkScalar(r, p.value, path, row.Allowed()) {
		return
	}
	v, ok := row.check(p.value.text)
	def := row.defaultFor(of)
	unsupported := row.NotYet && v.text != def || slices.Contains(row.NotYetWords, v.text)
	problem := ""
	if ok && row.valid != nil && v.text != "" {
		problem = row.valid(v.text)
	}
	switch {
	case problem != "":
		wrong(r, p.value, path, problem)
	case !ok && row.Kind == WordAttribute && len(row.Words) == 1:
		r.errorf(p.value, path, "is always %s for %s, got %s", row.Words[0], of, p.value.shown())
	case !ok:
		r.errorf(p.value, path, "must be %s, got %s%s", row.Allowed(), p.value.shown(), r.suggestFor(p.value, row.Words))
	case unsupported && row.NotYet && def == "":
		r.errorf(p.value, path, "is not supported yet; leave it out")
	case unsupported && row.NotYet:
		r.errorf(p.value, path, "%s is not supported yet; only the default, %s, is", abbreviate(p.value.raw), def)
	case unsupported:
		r.errorf(p.value, path, "%s is not supported yet; it must be %s", abbreviate(p.value.raw), orList(row.supportedWords()))
	case row.set != nil:
		row.set(&a, v)
	}
}

func findAttribute(key string, of attributeOf) *Attribute {
	for i := range registry {
		if registry[i].Key == key && registry[i].applies(of) {
			return &registry[i]
		}
	}
	return nil
}

// explainAttribute says why a key cannot be set on a resource.
func explainAttribute(r *reporter, key string, of attributeOf) string {
	var candidates, elsewhere []string
	for i := range registry {
		row := &registry[i]
		if row.applies(of) {
			candidates = append(candidates, row.Key)
		}
		if row.Key == key {
			elsewhere = append(elsewhere, row.owners())
		}
	}
	slices.Sort(elsewhere)
	if elsewhere = slices.Compact(elsewhere); len(elsewhere) > 0 {
		return fmt.Sprintf("does not belong to %s; it belongs to %s", of, orList(elsewhere))
	}
	hint := r.suggest(key, candidates)
	if hint == "" && !attributeKey.MatchString(key) {
		hint = "; a key is made of letters, digits, dots and underscores"
	}
	if hint == "" {
		hint = "; docs/reference/attributes.md lists them"
	}
	return fmt.Sprintf("there is no %s attribute of this name%s", of.owner, hint)
}

// owners says which resources the attribute belongs to.
func (a *Attribute) owners() string {
	s := fmt.Sprintf("%ss of type %s", a.Owner, orList(strings.Split(a.Types.String(), ", ")))
	if a.Owner != OfLoadBalancer {
		s = fmt.Sprintf("%ss of %s load balancers", a.Owner, orList(strings.Split(a.Types.String(), ", ")))
	}
	if len(a.Protocols) > 0 {
		var names []string
		for _, p := range a.Protocols {
			names = append(names, p.String())
		}
		s += " with protocol " + orList(names)
	}
	if len(a.TargetTypes) > 0 {
		var names []string
		for _, t := range a.TargetTypes {
			names = append(names, t.String())
		}
		s += " with target type " + orList(names)
	}
	return s
}

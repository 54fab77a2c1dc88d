package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// documentObject is the top level of a configuration.
var documentObject = &object{
	name: "configuration",
	doc:  "The top level. A configuration may be spread over several files with include.",
	fields: []field{
		{name: "version", kind: integerValue, required: true, min: 1, max: 1, doc: "The version of this format, which is 1."},
		{name: "node", kind: objectValue, object: nodeObject, doc: "The machine this process runs on."},
		{name: "zones", kind: listValue, item: &field{kind: objectValue, object: zoneObject}, doc: "The availability zones."},
		{name: "load_balancers", kind: listValue, required: true, item: &field{kind: objectValue, object: loadBalancerObject}, doc: "The load balancers, each with its listeners."},
		{name: "target_groups", kind: listValue, item: &field{kind: objectValue, object: targetGroupObject}, doc: "The target groups."},
		{name: "certificates", kind: listValue, notYet: true, doc: "Certificates with their private keys."},
		{name: "trust_stores", kind: listValue, notYet: true, doc: "Certificate authorities for clients."},
		{name: "ssl_policies", kind: listValue, notYet: true, doc: "TLS security policies beside ELB's."},
		{name: "security_groups", kind: listValue, notYet: true, doc: "Who may connect."},
		{name: "instances", kind: listValue, notYet: true, doc: "What the ids of instance targets stand for."},
		{name: "include", kind: listValue, item: &field{kind: textValue, format: "a file or a pattern such as conf.d/*.yaml"},
			doc: "Files to read as well, as paths or patterns relative to this file; those that match a pattern are read in lexical order, without names that start with a dot. Lists of several files are joined, everything else may be set once."},
		{name: "admin", kind: objectValue, object: adminObject, doc: "Where the admin API listens."},
		{name: "access_log", kind: objectValue, object: accessLogObject, doc: "Where requests are logged."},
		{name: "stickiness", kind: objectValue, object: stickinessObject, doc: "What stickiness cookies are sealed with."},
		{name: "log", kind: objectValue, object: logObject, doc: "How the daemon's own log looks."},
	},
}

// builder makes a Model from a Document. Zones come first, then target groups,
// then the load balancers that refer to both, so that the order of the file
// does not matter.
type builder struct {
	reporter
	model *Model
	doc   *Document

	zones  map[string]int
	groups map[string]*TargetGroup
	// unusable are groups with an error that makes judging their use idle.
	unusable map[*TargetGroup]bool
	used     map[*TargetGroup]bool
	groupAt  map[*TargetGroup]placed
	// The names of zones and groups in order, for messages; to be called once
	// all are known.
	zoneNames, groupNames func() []string

	listeners []listenerAt // for checkBinds
	regexSize int          // of all regular expressions so far, see MaxRegexSize
}

// placed is where a resource stands.
type placed struct {
	node *node
	path string
}

// Build checks the document and returns its Model, or all that is wrong with
// it. It is a pure function of the document.
func (d *Document) Build() (*Model, Diagnostics) {
	b := &builder{
		reporter: reporter{errors: slices.Clone(d.r.errors), warnings: slices.Clone(d.r.warnings), dropped: d.r.dropped},
		model:    &Model{Hash: d.hash, Files: d.Files(), Includes: d.Includes(), Node: Node{Zone: NoZone}},
		doc:      d,
		zones:    map[string]int{},
		groups:   map[string]*TargetGroup{},
		unusable: map[*TargetGroup]bool{},
		used:     map[*TargetGroup]bool{},
		groupAt:  map[*TargetGroup]placed{},
	}
	b.zoneNames = sync.OnceValue(func() []string { return slices.Sorted(maps.Keys(b.zones)) })
	b.groupNames = sync.OnceValue(func() []string { return slices.Sorted(maps.Keys(b.groups)) })
	if d.root != nil {
		b.document(d.root)
	}
	if errs := b.result(d.files); len(errs) > 0 {
		return nil, errs
	}
	b.model.Warnings = b.warnings
	return b.model, nil
}

func (b *builder) document(root *node) {
	spec := documentObject
	if d := b.doc; d.broken {
		// The missing part may hold what seems to be missing.
		partial := *spec
		partial.fields = slices.Clone(spec.fields)
		for i := range partial.fields {
			partial.fields[i].required = false
		}
		spec = &partial
	}
	f, ok := readFields(&b.reporter, root, "", spec, nil)
	if !ok {
		return
	}
	if v := f.set["version"]; v != nil {
		checkVersion(&b.reporter, v)
		b.model.Version = 1
	}
	b.zoneList(f)
	b.node(f)
	b.targetGroups(f)
	b.loadBalancers(f)
	b.admin(f)
	b.accessLog(f)
	b.log(f)
	b.stickiness(f)
	b.checkBinds()
	b.warnUnused()
}

func checkVersion(r *reporter, n *node) {
	if checkScalar(r, n, "version", "1") && n.text != "1" {
		r.errorf(n, "version", "must be 1, the one version of this format that exists; got %s", n.shown())
	}
}

// name reads the name field of a resource.
func (b *builder) name(f fields, valid func(string) string) (string, bool) {
	name, ok := f.text("name")
	if !ok || !f.has("name") {
		return "", false
	}
	if problem := valid(name); problem != "" {
		f.wrong("name", problem)
		return "", false
	}
	return name, true
}

// duplicate reports that a name, or whatever key stands for, is taken.
func (b *builder) duplicate(f fields, field string, first *node) {
	f.errorf(field, "%s is already used at %s; it must be unique", f.set[field].shown(), first.position())
}

// resourceName is ELB's syntax for names of load balancers and target groups.
func resourceName(s string) string {
	bad := strings.IndexFunc(s, func(r rune) bool {
		return r != '-' && (r < '0' || '9' < r) && (r|0x20 < 'a' || 'z' < r|0x20)
	})
	if len(s) > 32 || bad >= 0 || strings.HasPrefix(s, "-") || strings.HasSuffix(s, "-") {
		return "must be at most 32 letters, digits and hyphens, with no hyphen at either end"
	}
	return ""
}

// dangling reports a reference to something that does not exist.
func (b *builder) dangling(n *node, path, what string, names func() []string) {
	if b.doc.broken {
		return // it may be in the part that could not be read
	}
	b.errorFunc(n, path, func() string {
		const most = 8
		known := names()
		hint := b.suggestFor(n, known)
		switch {
		case hint != "":
		case len(known) == 0:
			hint = "; there are none"
		case len(known) <= most:
			hint = "; those that exist: " + strings.Join(known, ", ")
		}
		return fmt.Sprintf("there is no %s called %s%s", what, n.shown(), hint)
	})
}

// warnUnused warns about target groups that nothing forwards to.
func (b *builder) warnUnused() {
	for _, g := range b.model.TargetGroups {
		if at := b.groupAt[g]; !b.used[g] {
			b.warnf(at.node, at.path, "no listener forwards to this target group; its targets are unused and not checked")
		}
	}
}

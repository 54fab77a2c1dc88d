package gate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Profile is a configuration that cases run with. Every load balancer under
// test has one listener per lane and profile, each with a target of its own.
type Profile struct {
	Name string

	// Follow is a path that is forwarded to the target: the runner's own
	// requests ask for it.
	Follow string

	// OnlyElbow marks what other load balancers are not configured for.
	OnlyElbow bool

	// Attributes are lines of the load balancer's attributes.
	Attributes []string

	// Guard is the prefix of paths that the rule is about; with Allow it is
	// all that is forwarded, else all that is answered 403.
	Guard string
	Allow bool

	// Sources are networks whose clients are answered 299.
	Sources []string
}

// profiles are all there are, by name.
var profiles = func() map[string]*Profile {
	// No client of the runner is in these.
	foreign := []string{"10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", `"2001:db8::/32"`}
	all := map[string]*Profile{}
	for _, p := range []*Profile{
		{Name: "plain"},
		{Name: "deny", Guard: "/admin"},
		{Name: "allow", Guard: "/public", Allow: true, Follow: "/public/follow"},
		{Name: "source", Sources: foreign, OnlyElbow: true},
		{Name: "drop", OnlyElbow: true, Attributes: []string{"routing.http.drop_invalid_header_fields.enabled: true"}},
		{Name: "preserve", OnlyElbow: true, Attributes: []string{"routing.http.preserve_host_header.enabled: true"}},
		{Name: "xff-preserve", OnlyElbow: true, Sources: foreign, Attributes: []string{"routing.http.xff_header_processing.mode: preserve"}},
		{Name: "xff-remove", OnlyElbow: true, Sources: foreign, Attributes: []string{"routing.http.xff_header_processing.mode: remove"}},
		{Name: "trusted", OnlyElbow: true, Sources: foreign, Attributes: []string{"elbow.trusted_proxies: 127.0.0.0/8"}},
	} {
		if p.Follow == "" {
			p.Follow = "/follow"
		}
		all[p.Name] = p
	}
	return all
}()

// Profiles lists all profiles, by name.
func Profiles() []*Profile {
	var all []*Profile
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		all = append(all, profiles[name])
	}
	return all
}

// Modes of desync mitigation.
var Modes = []string{"defensive", "monitor", "strictest"}

const defaultMode = "defensive"

// yaml is the part of a configuration that makes p: a load balancer and its
// target group, both with the given name.
func (p *Profile) yaml(name, mode string, port int, target string) (loadBalancer, group string) {
	var b strings.Builder
	forward := "{type: forward, target_group: " + name + "}"
	fixed := func(status int) string {
		return fmt.Sprintf(`{type: fixed-response, status_code: "%d", content_type: text/plain, message_body: rule}`, status)
	}
	fmt.Fprintf(&b, "  - name: %s\n    type: application\n", name)
	attributes := p.Attributes
	if mode != defaultMode {
		attributes = append([]string{"routing.http.desync_mitigation_mode: " + mode}, attributes...)
	}
	if len(attributes) > 0 {
		b.WriteString("    attributes:\n")
		for _, a := range attributes {
			b.WriteString("      " + a + "\n")
		}
	}
	fmt.Fprintf(&b, "    listeners:\n      - protocol: HTTP\n        port: %d\n        address: 127.0.0.1\n", port)
	byDefault, byRule, condition := forward, "", ""
	switch {
	case p.Allow:
		byDefault, byRule = fixed(403), forward
	case p.Guard != "":
		byRule = fixed(403)
	case len(p.Sources) > 0:
		byRule = fixed(299)
		condition = "{field: source-ip, values: [" + strings.Join(p.Sources, ", ") + "]}"
	}
	if p.Guard != "" {
		condition = fmt.Sprintf("{field: path-pattern, values: [%q, %q]}", p.Guard, p.Guard+"/*")
	}
	fmt.Fprintf(&b, "        default_actions: [%s]\n", byDefault)
	if byRule != "" {
		fmt.Fprintf(&b, "        rules:\n          - priority: 1\n            conditions: [%s]\n            actions: [%s]\n", condition, byRule)
	}
	host, tport, _ := strings.Cut(target, ":")
	group = fmt.Sprintf("  - name: %s\n    protocol: HTTP\n    port: 80\n    health_check: {enabled: false}\n    targets: [{id: %s, port: %s}]\n",
		name, host, tport)
	return b.String(), group
}

package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The bounds of action fields.
const (
	maxWeight         = 999
	maxRedirectField  = 128
	maxFixedBody      = 1024
	redirectPermanent = "HTTP_301"
	redirectFound     = "HTTP_302"
)

func actionType(word string) field {
	return field{name: "type", kind: textValue, required: true, pattern: "^" + word + "$", doc: "What is done: " + word + "."}
}

var actionUnion = &union{
	name: "action", tag: "type",
	doc: "What happens to a request.",
	variants: []*object{
		{name: "forward action", tag: "forward", doc: "Sends the request to a target of one target group, or of several by weight.", fields: []field{
			actionType("forward"),
			{name: "target_group", kind: textValue, doc: "The target group, by name. Either this or target_groups."},
			{name: "target_groups", kind: listValue, item: &field{kind: objectValue, object: weightedObject}, doc: "Several target groups with weights."},
			{name: "stickiness", kind: objectValue, object: groupStickinessObject, doc: "Whether a client stays with a target group."},
		}},
		{name: "redirect action", tag: "redirect", doc: "Answers with another URL. What is left out stays as in the request; at least one of protocol, host, port and path must change. The placeholders #{protocol}, #{host}, #{port}, #{path} and #{query} stand for the request's.", fields: []field{
			actionType("redirect"),
			{name: "protocol", kind: choiceValue, def: "#{protocol}", values: []choice{{word: "HTTP"}, {word: "HTTPS"}, {word: "#{protocol}"}}, doc: "The protocol. Not HTTP on an HTTPS listener."},
			{name: "host", kind: textValue, def: "#{host}", max: maxRedirectField, doc: "The host. It may hold #{host}."},
			{name: "port", kind: textValue, def: "#{port}", numeric: true, pattern: `^([1-9][0-9]{0,4}|#\{port\})$`, format: "a port from 1 to 65535 or #{port}", doc: "The port, from 1 to 65535."},
			{name: "path", kind: textValue, def: "/#{path}", max: maxRedirectField, pattern: "^/", doc: "The path, starting with /. It may hold #{host}, #{port} and #{path}, which has no slash at its start."},
			{name: "query", kind: textValue, empty: true, def: "#{query}", max: maxRedirectField, doc: "The query, without ?. It may hold all placeholders. \"\" leaves out the request's."},
			{name: "status_code", kind: choiceValue, required: true, values: []choice{{word: redirectPermanent}, {word: redirectFound}}, doc: "The status, HTTP_301 (permanent) or HTTP_302 (found)."},
		}},
		{name: "fixed-response action", tag: "fixed-response", doc: "Answers without a target.", fields: []field{
			actionType("fixed-response"),
			{name: "status_code", kind: textValue, required: true, numeric: true, pattern: `^[245][0-9]{2}$`, format: "a status of the form 2xx, 4xx or 5xx", doc: "The status, of the form 2xx, 4xx or 5xx."},
			{name: "content_type", kind: choiceValue, def: "text/plain", values: []choice{{word: "text/plain"}, {word: "text/css"}, {word: "text/html"}, {word: "application/javascript"}, {word: "application/json"}}, doc: "The type of the body."},
			{name: "message_body", kind: textValue, empty: true, numeric: true, max: maxFixedBody, doc: "The body."},
		}},
		{name: "authenticate-oidc action", tag: "authenticate-oidc", notYet: true},
		{name: "authenticate-cognito action", tag: "authenticate-cognito", notYet: true},
		{name: "jwt-validation action", tag: "jwt-validation", notYet: true},
	},
}

var weightedObject = &object{
	name: "weighted target group",
	doc:  "One of the target groups of a forward action.",
	fields: []field{
		{name: "name", kind: textValue, required: true, doc: "The target group, by name."},
		{name: "weight", kind: integerValue, def: "1", min: 0, max: maxWeight, doc: "Its share: this weight of the sum of all. 0 takes nothing."},
	},
}

var groupStickinessObject = &object{
	name: "target group stickiness",
	doc:  "Whether a client stays with the target group it was forwarded to, by the cookie AWSALBTG. It must be on where one of several target groups has stickiness.",
	fields: []field{
		{name: "enabled", kind: choiceValue, def: "false", values: []choice{{word: "false"}, {word: "true"}}, doc: "Whether it is on."},
		{name: "duration_seconds", kind: integerValue, min: 1, max: 604800, unit: "seconds", doc: "How long a client stays, counted from its last request. It must be given when stickiness is on."},
	},
}

// actions reads a list of actions, of which there must be exactly one. Actions
// that come before the deciding one, such as authenticate-oidc, do not exist
// yet.
func (b *builder) actions(f fields, name string, l *Listener) Actions {
	items, ok := f.some(name)
	if !ok || len(items) == 0 {
		return Actions{}
	}
	if len(items) > 1 {
		b.errorf(items[1], itemPath(f.at(name), 1, items[1], ""), "there must be exactly one action; remove one (a forward action can weigh several target_groups)")
	}
	var actions Actions
	for i, n := range items {
		a, tag, ok := readUnion(&b.reporter, n, itemPath(f.at(name), i, n, ""), actionUnion)
		if !ok {
			continue
		}
		actions = Actions{Position: n.position()}
		switch tag {
		case "forward":
			actions.Type, actions.Forward = Forward, b.forward(a, l)
		case "redirect":
			actions.Type, actions.Redirect = Redirect, b.redirect(a, l)
		case "fixed-response":
			actions.Type, actions.FixedResponse = FixedResponse, b.fixedResponse(a)
		}
	}
	return actions
}

func (b *builder) forward(f fields, l *Listener) *ForwardAction {
	forward := &ForwardAction{}
	if s, ok := f.child("stickiness"); ok {
		enabled, _ := s.choice("enabled")
		seconds, ok := s.integer("duration_seconds")
		switch {
		case enabled != "true":
		case !s.has("duration_seconds"):
			b.errorf(f.place("stickiness"), f.at("stickiness"), "duration_seconds is missing: stickiness that is on needs one, from 1 to 604800")
		case ok:
			forward.Sticky = time.Duration(seconds) * time.Second
		}
	}
	switch {
	case f.has("target_group") && f.has("target_groups"):
		f.errorf("target_group", "a forward action has either target_group or target_groups; remove one")
	case f.has("target_group"):
		if _, ok := f.text("target_group"); ok {
			b.forwardTo(forward, f.set["target_group"], f.at("target_group"), 1, l)
		}
	case f.has("target_groups"):
		b.weighted(f, forward, l)
	default:
		f.errorf("target_group", "target_group is missing: a forward action has target_group or target_groups")
	}
	return forward
}

func (b *builder) weighted(f fields, forward *ForwardAction, l *Listener) {
	items, _ := f.some("target_groups")
	seen := map[string]*node{}
	total, good := 0, len(items) > 0
	for i, n := range items {
		g, ok := readFields(&b.reporter, n, itemPath(f.at("target_groups"), i, n, "name"), weightedObject, nil)
		if !ok {
			good = false
			continue
		}
		weight, weightOK := g.integer("weight")
		good = good && weightOK
		total += weight
		name, ok := g.text("name")
		if !ok || !g.has("name") {
			continue
		}
		if first := seen[name]; first != nil {
			f.r.errorf(g.set["name"], g.at("name"), "%s is already in this list at %s; give it one weight", g.set["name"].shown(), first.position())
			continue
		}
		seen[name] = g.set["name"]
		b.forwardTo(forward, g.set["name"], g.at("name"), weight, l)
	}
	b.checkSticky(f, forward, items)
	if good && total == 0 {
		b.warnf(f.place("target_groups"), f.at("target_groups"), "every weight is 0, so that all requests are answered with 503")
	}
}

// checkSticky holds a forward action with several target groups to ELB's rules
// for their stickiness (user guide, "Target group stickiness").
func (b *builder) checkSticky(f fields, forward *ForwardAction, items []*node) {
	if len(items) < 2 {
		return
	}
	for _, w := range forward.Groups {
		switch s := w.Group.Attributes.Stickiness; {
		case !s.Enabled:
		case s.Type == AppCookie:
			f.errorf("target_groups", "target group %s has stickiness by app_cookie, which does not go with several target groups; use lb_cookie, or forward to it alone", w.Group.Name)
		case forward.Sticky == 0 && !f.has("stickiness"):
			f.errorf("target_groups", "target group %s has stickiness, so that the action needs it as well: stickiness: {enabled: true, duration_seconds: 3600}", w.Group.Name)
		case forward.Sticky == 0:
			f.errorf("stickiness", "must be on, because target group %s has stickiness", w.Group.Name)
		}
	}
}

// forwardTo adds a target group, by its name, to a forward action.
func (b *builder) forwardTo(forward *ForwardAction, n *node, path string, weight int, l *Listener) {
	group := b.groups[n.text]
	if group == nil {
		b.dangling(n, path, "target group", b.groupNames)
		return
	}
	b.used[group] = true
	if lbType := l.LoadBalancer.Type; !b.unusable[group] && typeOf(group.Protocol) != lbType {
		b.errorf(n, path, "%s has protocol %s, which a load balancer of type %s cannot forward to", n.shown(), group.Protocol, lbType)
	}
	forward.Groups = append(forward.Groups, WeightedGroup{Group: group, Weight: weight})
}

// placeholder finds the placeholders of redirects.
var placeholder = regexp.MustCompile(`#\{[^}]*\}?`)

var placeholders = []string{"#{protocol}", "#{host}", "#{port}", "#{path}", "#{query}"}

// redirectPlaceholders says which placeholders each field may hold, beside
// protocol and port, which are a placeholder or have none (Listener rules:
// redirect actions).
var redirectPlaceholders = map[string][]string{
	"host":  {"#{host}"},
	"path":  {"#{host}", "#{port}", "#{path}"},
	"query": placeholders,
}

func (b *builder) redirect(f fields, l *Listener) *RedirectAction {
	r := &RedirectAction{StatusCode: 301}
	status, ok := f.choice("status_code")
	if ok && status == redirectFound {
		r.StatusCode = 302
	}
	var protocolOK, portOK bool
	r.Protocol, protocolOK = f.choice("protocol")
	if protocolOK && l.Protocol == HTTPS && r.Protocol == "HTTP" {
		f.errorf("protocol", "must not be HTTP on an HTTPS listener: a redirect does not take encryption away")
	}
	r.Port, portOK = f.text("port")
	if port, valid := parseInteger(r.Port); portOK && r.Port != "#{port}" && (!valid || port < 1 || port > 65535) {
		f.wrong("port", "must be a port from 1 to 65535 or #{port}")
	}
	var hostOK, pathOK bool
	r.Host, hostOK = b.redirectText(f, "host", redirectHost)
	r.Path, pathOK = b.redirectText(f, "path", func(s string) string {
		if strings.Contains(s, "?") {
			return "must not hold ?; put the query in the field query"
		}
		return requestPath(placeholder.ReplaceAllString(s, ""))
	})
	r.Query, _ = b.redirectText(f, "query", func(s string) string {
		if strings.HasPrefix(s, "?") {
			return "must not start with ?, which is put in"
		}
		return requestPath("/" + placeholder.ReplaceAllString(s, ""))
	})
	sameProtocol := r.Protocol == "#{protocol}" || r.Protocol == l.Protocol.String()
	samePort := r.Port == "#{port}" || r.Port == fmt.Sprint(l.Port)
	if sameProtocol && samePort && r.Host == "#{host}" && r.Path == "/#{path}" && protocolOK && portOK && hostOK && pathOK {
		b.errorf(f.node, f.path, "a redirect must change at least one of protocol, host, port and path, or the client is sent round in circles")
	}
	return r
}

func redirectHost(s string) string {
	for _, r := range placeholder.ReplaceAllString(s, "") {
		if r <= ' ' || r > '~' || strings.ContainsRune(`/\?#@:"<>^{|}`+"`", r) {
			return fmt.Sprintf("must be a host name; it holds %q", r)
		}
	}
	return ""
}

// redirectText reads a field of a redirect that may hold placeholders.
func (b *builder) redirectText(f fields, name string, check func(string) string) (string, bool) {
	text, ok := f.text(name)
	n := f.set[name]
	if !ok || n == nil {
		return text, ok
	}
	allowed := redirectPlaceholders[name]
	for _, p := range placeholder.FindAllString(text, -1) {
		if slices.Contains(allowed, p) {
			continue
		}
		if n.expanded() {
			f.errorf(name, "may hold the placeholder %s, got %s", orList(allowed), n.shown())
		} else {
			f.errorf(name, "may hold the placeholder %s, not %s%s", orList(allowed), abbreviate(p), f.r.suggest(p, allowed))
		}
		return text, false
	}
	if problem := check(text); problem != "" {
		f.wrong(name, problem)
		return text, false
	}
	return text, true
}

func (b *builder) fixedResponse(f fields) *FixedResponseAction {
	r := &FixedResponseAction{}
	status, ok := f.text("status_code")
	if ok && f.has("status_code") {
		n, valid := parseInteger(status)
		if valid = valid && len(status) == 3 && (n/100 == 2 || n/100 == 4 || n/100 == 5); !valid {
			f.wrong("status_code", "must be a status of the form 2xx, 4xx or 5xx")
		}
		r.StatusCode = n
		// RFC 9110 sections 15.3.5 and 15.3.6.
		if body := f.set["message_body"]; (n == 204 || n == 205) && body != nil && body.text != "" {
			f.errorf("message_body", "a response of status %d has no body; leave it out, or write 200", n)
		}
	}
	r.ContentType, _ = f.choice("content_type")
	r.Body, _ = f.text("message_body")
	if !utf8.ValidString(r.Body) {
		f.errorf("message_body", "must be UTF-8 text")
	}
	return r
}

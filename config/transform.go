package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxRewrite bounds a regular expression and a replacement of a transform, in
// characters (API reference, RewriteConfig).
const maxRewrite = 1024

var transformUnion = &union{
	name: "transform", tag: "type",
	doc: "How a request is rewritten once its rule has matched. It does not change which rule matches.",
	variants: []*object{
		{name: "host-header-rewrite transform", tag: "host-header-rewrite", doc: "Rewrites the Host header, without its port. Case does not matter.", fields: []field{
			transformType("host-header-rewrite"),
			{name: "host_header_rewrite_config", kind: objectValue, required: true, object: rewritesObject("host header rewrite"), doc: "What is rewritten."},
		}},
		{name: "url-rewrite transform", tag: "url-rewrite", doc: "Rewrites path and query, as the client sent them.", fields: []field{
			transformType("url-rewrite"),
			{name: "url_rewrite_config", kind: objectValue, required: true, object: rewritesObject("URL rewrite"), doc: "What is rewritten."},
		}},
	},
}

func transformType(word string) field {
	return field{name: "type", kind: textValue, required: true, pattern: "^" + word + "$", doc: "What is rewritten: " + word + "."}
}

func rewritesObject(name string) *object {
	return &object{name: name, doc: "The rewrites of a transform.", fields: []field{
		{name: "rewrites", kind: listValue, required: true, item: &field{kind: objectValue, object: rewriteObject}, doc: "The rewrites. Exactly one."},
	}}
}

var rewriteObject = &object{
	name: "rewrite",
	doc:  "The first match of a regular expression is replaced; what is around it stays. Without a match the request stays as it is.",
	fields: []field{
		{name: "regex", kind: textValue, required: true, max: maxRewrite, format: "a regular expression", doc: "The regular expression (RE2). It matches anywhere unless anchored with ^ and $."},
		{name: "replace", kind: textValue, required: true, empty: true, numeric: true, max: maxRewrite, doc: "What takes the place of the match. $1 to $9 stand for its groups, any other $ for itself."},
	},
}

// transforms reads the transforms of a rule.
func (b *builder) transforms(f fields) (t Transforms) {
	items, _ := f.list("transforms")
	var first [2]*node
	for i, n := range items {
		path := itemPath(f.at("transforms"), i, n, "type")
		v, tag, ok := readUnion(&b.reporter, n, path, transformUnion)
		if !ok {
			continue
		}
		kind, config, into := 0, "host_header_rewrite_config", &t.Host
		if tag == "url-rewrite" {
			kind, config, into = 1, "url_rewrite_config", &t.URL
		}
		if first[kind] != nil {
			b.errorf(n, path, "there is already a %s at %s; a rule has one of each type", tag, first[kind].position())
			continue
		}
		first[kind] = n
		if c, ok := v.child(config); ok {
			*into = b.rewrite(c, kind == 0)
		}
	}
	return t
}

// rewrite reads the one rewrite of a transform; nil if it cannot be used.
func (b *builder) rewrite(f fields, fold bool) *Rewrite {
	items, ok := f.some("rewrites")
	if !ok || len(items) == 0 {
		return nil
	}
	if len(items) > 1 {
		b.errorf(items[1], itemPath(f.at("rewrites"), 1, items[1], ""), "there must be exactly one rewrite; remove one (a regular expression may have alternatives: a|b)")
	}
	r, ok := readFields(&b.reporter, items[0], itemPath(f.at("rewrites"), 0, items[0], ""), rewriteObject, nil)
	if !ok {
		return nil
	}
	text, regexOK := r.text("regex")
	replace, replaceOK := r.text("replace")
	if !regexOK || !replaceOK || !r.has("regex") || !r.has("replace") {
		return nil
	}
	re, problem := b.regex(text, fold)
	if problem != "" {
		r.wrong("regex", problem)
		return nil
	}
	if problem := replacement(replace, re); problem != "" {
		r.wrong("replace", problem)
		return nil
	}
	return &Rewrite{Regex: re, Replace: replace}
}

// group finds the groups that a replacement refers to.
var group = regexp.MustCompile(`\$[0-9]`)

// replacement says what is wrong with a replacement.
func replacement(s string, re *regexp.Regexp) string {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '#' {
			return "must be made of visible ASCII characters without # (others percent-encoded)"
		}
	}
	found := group.FindAllString(s, -1)
	if len(found) == 0 {
		return ""
	}
	slices.Sort(found)
	switch last, n := found[len(found)-1], re.NumSubexp(); {
	case found[0] == "$0":
		return "must not refer to $0; put the whole regular expression in parentheses, and write $1"
	case n == 0:
		return "must not refer to " + strings.Join(slices.Compact(found), ", ") + ": the regular expression has no group in parentheses"
	case int(last[1]-'0') > n:
		return fmt.Sprintf("must not refer to %s: the regular expression has %d in parentheses", last, n)
	}
	return ""
}

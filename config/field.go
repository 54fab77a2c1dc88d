package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The format is described by tables: one object per resource, with its fields,
// beside the code that decodes it. The tables check what can be checked field
// by field, and write docs/reference and the JSON schema; the code checks what
// needs more than one field. Enabling something that is not supported yet is
// removing its notYet.

// valueKind is the form of a field's value.
type valueKind uint8

const (
	textValue       valueKind = iota // any text, checked by code
	integerValue                     // min..max
	booleanValue                     // true or false
	choiceValue                      // one of values
	listValue                        // of item
	objectValue                      // object
	unionValue                       // one of the union's objects, told apart by its tag
	attributesValue                  // a map of attributes of owner
)

// choice is one word that a field may take.
type choice struct {
	word   string
	notYet bool
	doc    string
}

// field is one field of an object.
type field struct {
	name     string
	kind     valueKind
	required bool
	notYet   bool   // refused: the behaviour does not exist yet
	def      string // the default, as one would write it; "" for none
	min, max int    // integer: the range; text: max is the most characters
	unit     string // integer: for messages, such as "seconds"
	empty    bool   // text: may be ""
	numeric  bool   // text: may well be written as a bare number
	format   string // text: what it looks like, for the reference and messages
	pattern  string // text: regular expression (of JSON schema and RE2 alike) that it matches
	values   []choice
	item     *field
	object   *object
	union    *union
	owner    AttributeOwner
	doc      string
}

// object is a map with known fields.
type object struct {
	name   string // of the resource, for messages, the reference and the schema
	tag    string // a union's variant: the value of the tag
	notYet bool   // a union's variant: refused
	doc    string
	fields []field
}

// union is a map whose tag field says which object it is.
type union struct {
	name     string
	tag      string
	doc      string
	variants []*object
}

func (o *object) field(name string) *field {
	for i := range o.fields {
		if o.fields[i].name == name {
			return &o.fields[i]
		}
	}
	return nil
}

// names lists the fields that may be written.
func (o *object) names() []string {
	var names []string
	for _, f := range o.fields {
		if !f.notYet {
			names = append(names, f.name)
		}
	}
	return names
}

// words lists what a choice field accepts.
func words(values []choice) []string {
	var out []string
	for _, v := range values {
		if !v.notYet {
			out = append(out, v.word)
		}
	}
	return out
}

// fields is a map of the document being read as an object. Its accessors check
// a field against its table entry, report what is wrong, and return the value,
// or the default of a field that is absent. ok tells whether the value may be
// used; where it is false everything has been reported.
type fields struct {
	r      *reporter
	object *object
	node   *node
	path   string
	set    map[string]*node
}

// readFields reads n as an object. It reports fields that are unknown, missing
// or not supported yet; extra may explain an unknown field better.
func readFields(r *reporter, n *node, path string, o *object, extra func(name string) string) (fields, bool) {
	f := fields{r: r, object: o, node: n, path: path}
	switch {
	case n.bad:
		return f, false
	case n.kind == nullNode:
		r.errorf(n, path, "has no value; it must be a map with %s, or leave the line out", orList(o.names()))
		return f, false
	case n.kind != mapNode:
		r.errorf(n, path, "must be a map with %s, got %s", orList(o.names()), n.kind)
		return f, false
	}
	f.set = make(map[string]*node, len(n.pairs))
	for _, p := range n.pairs {
		name := p.key.text
		spec := o.field(name)
		switch {
		case spec == nil:
			r.errorFunc(p.key, f.at(abbreviate(name)), func() string {
				hint := ""
				if extra != nil {
					hint = extra(name)
				}
				if hint == "" {
					hint = r.suggest(name, o.names())
				}
				if hint == "" {
					hint = "; it has " + strings.Join(o.names(), ", ")
				}
				return withArticle(o.name) + " has no field of this name" + hint
			})
		case spec.notYet:
			r.errorf(p.key, f.at(name), "is not supported yet")
		default:
			f.set[name] = p.value
		}
	}
	for i := range o.fields {
		if spec := &o.fields[i]; spec.required && !spec.notYet && f.set[spec.name] == nil {
			r.errorf(n, path, "%s is missing: %s", spec.name, firstSentence(spec.doc))
		}
	}
	return f, true
}

func withArticle(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) || strings.HasPrefix(noun, "http") {
		return "an " + noun
	}
	return "a " + noun
}

// firstSentence makes the opening of a doc text fit after a colon.
func firstSentence(doc string) string {
	s, _, _ := strings.Cut(doc, ". ")
	return strings.ToLower(s[:1]) + strings.TrimSuffix(s[1:], ".")
}

// at is the path of a field.
func (f fields) at(name string) string {
	if f.path == "" {
		return name
	}
	return f.path + "." + name
}

// place is where to report something about a field: its value, or the object
// where it is absent.
func (f fields) place(name string) *node {
	if n := f.set[name]; n != nil {
		return n
	}
	return f.node
}

func (f fields) has(name string) bool { return f.set[name] != nil }

// errorf reports an error about a field.
func (f fields) errorf(name, format string, args ...any) {
	f.r.errorf(f.place(name), f.at(name), format, args...)
}

// wrong reports a problem with the value of a field, which must be set.
func (f fields) wrong(name, problem string) { wrong(f.r, f.set[name], f.at(name), problem) }

// wrong reports a problem with the value of a scalar. What quotes from the value
// must follow "; it holds" or stand in parentheses at the end.
func wrong(r *reporter, n *node, path, problem string) {
	if n.expanded() {
		problem, _, _ = strings.Cut(problem, "; it holds")
		problem, _, _ = strings.Cut(problem, " (")
	}
	r.errorf(n, path, "%s, got %s", problem, n.shown())
}

// spec returns the table entry of a field. Asking for one that is not in the
// table is a mistake in this package.
func (f fields) spec(name string) *field {
	spec := f.object.field(name)
	if spec == nil {
		panic("config: " + f.object.name + " has no field " + name)
	}
	return spec
}

// scalar returns the value of a field that is a single value, nil where it is
// absent.
func (f fields) scalar(name, want string) (n *node, ok bool) {
	n = f.set[name]
	if n == nil {
		return nil, !f.spec(name).required
	}
	return n, checkScalar(f.r, n, f.at(name), want)
}

// checkScalar tells whether n is a single value, which must be want.
func checkScalar(r *reporter, n *node, path, want string) bool {
	switch {
	case n.bad:
		return false
	case n.kind == nullNode:
		r.errorFunc(n, path, func() string {
			hint := ""
			if strings.Contains(n.source.line(int(n.line))+n.source.line(int(n.line)-1), "#{") {
				hint = "; a text that starts with # must be quoted, or it is a comment"
			}
			return fmt.Sprintf("has no value; it must be %s, or leave the line out%s", want, hint)
		})
		return false
	case n.kind != scalarNode:
		r.errorf(n, path, "must be %s, got %s", want, n.kind)
		return false
	}
	return true
}

// text returns a text field.
func (f fields) text(name string) (string, bool) {
	spec := f.spec(name)
	want := "text"
	if spec.format != "" {
		want = spec.format
	}
	n, ok := f.scalar(name, want)
	if !ok || n == nil {
		return spec.def, ok
	}
	return n.text, checkText(f.r, n, f.at(name), spec)
}

// checkText checks a scalar against a text field's table entry.
func checkText(r *reporter, n *node, path string, spec *field) bool {
	switch {
	case n.text == "" && !spec.empty:
		r.errorf(n, path, "must not be empty")
		return false
	case spec.max > 0 && utf8.RuneCountInString(n.text) > spec.max:
		r.errorf(n, path, "must be at most %d characters long, got %d", spec.max, utf8.RuneCountInString(n.text))
		return false
	}
	return true
}

// integer returns an integer field.
func (f fields) integer(name string) (int, bool) {
	spec := f.spec(name)
	n, ok := f.scalar(name, integerRange(spec))
	if !ok || n == nil {
		def, _ := strconv.Atoi(spec.def)
		return def, ok
	}
	return checkInteger(f.r, n, f.at(name), spec)
}

func checkInteger(r *reporter, n *node, path string, spec *field) (int, bool) {
	v, ok := parseInteger(n.text)
	if !ok || v < spec.min || v > spec.max {
		r.errorf(n, path, "must be %s, got %s", integerRange(spec), n.shown())
		return 0, false
	}
	return v, true
}

func integerRange(spec *field) string {
	s := fmt.Sprintf("a whole number from %d to %d", spec.min, spec.max)
	if spec.unit != "" {
		s += " (" + spec.unit + ")"
	}
	return s
}

// parseInteger parses a decimal number. Other ways of writing one (0x1f, 010,
// 1_000, 1e3) are refused: YAML versions disagree on what they mean.
func parseInteger(s string) (int, bool) {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || len(digits) > 9 || digits[0] == '0' && s != "0" {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || '9' < digits[i] {
			return 0, false
		}
	}
	v, err := strconv.Atoi(s)
	return v, err == nil
}

// boolean returns a boolean field.
func (f fields) boolean(name string) (bool, bool) {
	spec := f.spec(name)
	n, ok := f.scalar(name, "true or false")
	if !ok || n == nil {
		return spec.def == "true", ok
	}
	return checkBoolean(f.r, n, f.at(name))
}

func checkBoolean(r *reporter, n *node, path string) (bool, bool) {
	switch booleanWord(n.text) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	r.errorf(n, path, "must be true or false, got %s", n.shown())
	return false, false
}

// booleanWord is "true" or "false" for what YAML takes for these, and any other
// text as it is.
func booleanWord(text string) string {
	switch text {
	case "True", "TRUE":
		return "true"
	case "False", "FALSE":
		return "false"
	}
	return text
}

// choice returns a field that takes one of a few words. A word that is known
// but not supported yet is reported; it is returned with ok false.
func (f fields) choice(name string) (string, bool) {
	spec := f.spec(name)
	n, ok := f.scalar(name, orList(words(spec.values)))
	if !ok || n == nil {
		return spec.def, ok
	}
	return booleanWord(n.text), checkChoice(f.r, n, f.at(name), spec.values)
}

func checkChoice(r *reporter, n *node, path string, values []choice) bool {
	for _, v := range values {
		if v.word != booleanWord(n.text) {
			continue
		}
		if v.notYet {
			r.errorf(n, path, "%s is not supported yet; it must be %s", v.word, orList(words(values)))
		}
		return !v.notYet
	}
	r.errorf(n, path, "must be %s, got %s%s", orList(words(values)), n.shown(), r.suggestFor(n, words(values)))
	return false
}

// list returns the items of a list field.
func (f fields) list(name string) ([]*node, bool) {
	n := f.set[name]
	if n == nil {
		return nil, !f.spec(name).required
	}
	if n.kind == listNode {
		return n.items, true
	}
	switch {
	case n.bad:
	case n.kind == nullNode:
		f.errorf(name, "has no value; write [] for an empty list, or leave the line out")
	default:
		f.errorf(name, "must be a list, got %s", n.kind)
	}
	return nil, false
}

// some is list for a field that must not be an empty list.
func (f fields) some(name string) ([]*node, bool) {
	items, ok := f.list(name)
	if ok && f.has(name) && len(items) == 0 {
		f.errorf(name, "must not be empty")
		return nil, false
	}
	return items, ok
}

// child reads a field that is an object; present is false where it is absent or
// not a map.
func (f fields) child(name string) (c fields, present bool) {
	n := f.set[name]
	if n == nil {
		return fields{}, false
	}
	return readFields(f.r, n, f.at(name), f.spec(name).object, nil)
}

// readUnion reads n as one of the objects of a union. ok is false when its tag
// does not say which, or says one that is not supported yet.
func readUnion(r *reporter, n *node, path string, u *union) (f fields, tag string, ok bool) {
	var all []choice
	for _, v := range u.variants {
		all = append(all, choice{word: v.tag, notYet: v.notYet})
	}
	switch {
	case n.bad:
		return f, "", false
	case n.kind != mapNode:
		r.errorf(n, path, "must be a map with %s: %s, got %s", u.tag, orList(words(all)), n.kind)
		return f, "", false
	}
	t := n.lookup(u.tag)
	if t == nil {
		r.errorFunc(n, path, func() string {
			hint := ""
			for _, p := range n.pairs[:min(len(n.pairs), len(u.variants[0].fields))] {
				if r.suggest(p.key.text, []string{u.tag}) != "" {
					hint = fmt.Sprintf(`; is that what "%s" means?`, abbreviate(p.key.text))
				}
			}
			return fmt.Sprintf("%s is missing: it must be %s%s", u.tag, orList(words(all)), hint)
		})
		return f, "", false
	}
	at := fields{path: path}.at(u.tag)
	if !checkScalar(r, t, at, orList(words(all))) || !checkChoice(r, t, at, all) {
		return f, "", false
	}
	var variant *object
	for _, v := range u.variants {
		if v.tag == t.text {
			variant = v
		}
	}
	f, ok = readFields(r, n, path, variant, func(name string) string {
		var owners []string
		for _, v := range u.variants {
			if v.field(name) != nil {
				owners = append(owners, v.tag)
			}
		}
		if len(owners) == 0 {
			return ""
		}
		return fmt.Sprintf("; it belongs to %s %s", u.tag, orList(owners))
	})
	return f, t.text, ok
}

// lookup returns the value of a map's key, or nil.
func (n *node) lookup(key string) *node {
	for _, p := range n.pairs {
		if p.key.text == key {
			return p.value
		}
	}
	return nil
}

// itemPath is the path of a list item: by the field that people know it by, or
// else by its index.
func itemPath(list string, i int, n *node, key string) string {
	if key != "" && n.kind == mapNode {
		if v := n.lookup(key); v != nil && v.kind == scalarNode && !v.expanded() && isLabel(v.text) {
			if key == "name" {
				return list + "[" + v.text + "]"
			}
			return list + "[" + key + "=" + v.text + "]"
		}
	}
	return list + "[" + strconv.Itoa(i) + "]"
}

// isLabel tells whether a text can stand in a path without confusing it.
func isLabel(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '[' || c == ']' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

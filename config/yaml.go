package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// This is the one file that knows the YAML library. It turns a text into nodes:
// aliases and merge keys (<<) resolved, duplicate keys and tags refused, depth
// and aliases bounded.

// parseYAML returns the root of a text, or nil when there is none: because the
// text is empty, or because of an error, which it reported. Each scalar that is
// not a key is handed to expand, once, with its path.
func parseYAML(src *source, r *reporter, expand func(n *node, path string)) *node {
	at := func(line, column int) *node {
		return &node{source: src, line: max(line, 1), column: max(column, 1)}
	}
	if line, column, what := unreadable(src.data); what != "" {
		r.errorf(at(line, column), "", "%s", what)
		return nil
	}
	docs, err := loadYAML(src.data)
	if err != nil {
		var load *yaml.LoadError
		if !errors.As(err, &load) {
			r.errorf(at(1, 1), "", "not valid YAML: %v", err)
			return nil
		}
		mark := load.Mark
		if mark.Line == 0 {
			mark = load.ContextMark
		}
		r.errorf(at(mark.Line, mark.Column), "", "%s", explainYAML(load))
		return nil
	}
	if len(docs) > 1 {
		r.errorf(at(docs[1].Line, docs[1].Column), "",
			"a second YAML document starts here; a file holds one: remove the --- or move this into a file of its own")
		return nil
	}
	if len(docs) == 0 {
		return nil
	}
	c := converter{src: src, r: r, expand: expand, done: map[*yaml.Node]converted{}}
	root, _ := c.convert(docs[0])
	if c.failed {
		return nil
	}
	return root
}

// loadYAML returns the first two documents of a text, of which there should be
// at most one.
func loadYAML(data []byte) (docs []*yaml.Node, err error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data),
		yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(MaxDepth))))
	if err != nil {
		return nil, err
	}
	for len(docs) < 2 {
		doc := &yaml.Node{}
		if err := loader.Load(doc); err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return nil, err
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

// explainYAML says what a syntax error of the library means for the reader.
func explainYAML(e *yaml.LoadError) string {
	message := e.Message
	hint := ""
	switch {
	case strings.Contains(message, "exceeded max depth"):
		return fmt.Sprintf("lists and maps nest deeper than %d levels", MaxDepth)
	case strings.Contains(message, "mapping values are not allowed"):
		hint = "; check the indentation, and quote a value that holds \": \""
	case strings.Contains(message, "cannot start any token"):
		hint = "; indent with spaces rather than tabs, and quote a value that starts with @, ` or %"
	case strings.Contains(message, "unknown anchor"):
		hint = "; a value that starts with * must be quoted unless it names an anchor (&)"
	}
	if e.ContextMsg != "" {
		message = e.ContextMsg + ": " + message
	}
	return "not valid YAML: " + message + hint
}

// unreadable finds the first byte that no YAML text may hold. The library finds
// it too, but does not say where.
func unreadable(data []byte) (line, column int, what string) {
	line, column = 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			return line, column, fmt.Sprintf("not UTF-8 text: byte 0x%02x", data[i])
		case r == '\n':
			line, column = line+1, 0
		case r < ' ' && r != '\t' && r != '\r', 0x7f <= r && r < 0xa0 && r != 0x85, r == 0xfffe, r == 0xffff:
			return line, column, fmt.Sprintf("the control character %U is not allowed in a configuration file", r)
		case r == 0xfeff && i > 0:
			return line, column, "a byte order mark (U+FEFF) may only stand at the start of a file"
		}
		column++
		i += size
	}
	return 0, 0, ""
}

type converter struct {
	src     *source
	r       *reporter
	expand  func(n *node, path string)
	path    []string                 // steps from the root to where convert is
	done    map[*yaml.Node]converted // anchored nodes that aliases may share
	aliased int                      // values that aliases stand for so far
	failed  bool                     // the tree is unusable: stop
}

type converted struct {
	node *node // nil while the node is being converted
	size int
}

// at is the path of the node being converted, lists by index: names are not
// known yet.
func (c *converter) at() string {
	return strings.ReplaceAll(strings.Join(c.path, "."), ".[", "[")
}

// convert returns the node for y and how many values it holds, aliases counted
// as often as they occur. Depth is bounded by the library.
func (c *converter) convert(y *yaml.Node) (*node, int) {
	n := &node{source: c.src, line: max(y.Line, 1), column: max(y.Column, 1)}
	if c.failed {
		return n, 1
	}
	if y.Kind == yaml.DocumentNode {
		if len(y.Content) == 0 {
			n.kind = nullNode
			return n, 1
		}
		return c.convert(y.Content[0])
	}
	if y.Kind == yaml.AliasNode {
		return c.alias(y, n)
	}
	if y.Anchor != "" {
		c.done[y] = converted{}
	}
	if y.Style&yaml.TaggedStyle != 0 {
		c.r.errorf(n, c.at(), "the YAML tag %s has no meaning here; remove it", abbreviate(y.Tag))
	}
	size := 1
	switch y.Kind {
	case yaml.MappingNode:
		n.kind = mapNode
		size += c.pairs(y, n)
	case yaml.SequenceNode:
		n.kind = listNode
		for i, item := range y.Content {
			c.path = append(c.path, "["+strconv.Itoa(i)+"]")
			child, s := c.convert(item)
			c.path = c.path[:len(c.path)-1]
			n.items = append(n.items, child)
			size += s
		}
	default:
		if y.ShortTag() == "!!null" {
			n.kind = nullNode
			break
		}
		n.raw, n.text = y.Value, y.Value
		c.expand(n, c.at())
	}
	if y.Anchor != "" {
		c.done[y] = converted{n, size}
	}
	return n, size
}

func (c *converter) alias(y *yaml.Node, n *node) (*node, int) {
	target, known := c.done[y.Alias]
	if !known || target.node == nil {
		c.r.errorf(n, c.at(), "the alias *%s is inside of what it stands for", abbreviate(y.Value))
		c.failed = true
		return n, 1
	}
	if c.aliased += target.size; c.aliased > MaxAliasNodes {
		c.r.errorf(n, c.at(), "the aliases of this file stand for more than %d values", MaxAliasNodes)
		c.failed = true
		return n, 1
	}
	return target.node, target.size
}

// pairs fills a map node and returns the size of its content.
func (c *converter) pairs(y *yaml.Node, n *node) int {
	size := 0
	seen := make(map[string]*node, len(y.Content)/2)
	var merged []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		word := y.Content[i]
		key := &node{source: c.src, line: max(word.Line, 1), column: max(word.Column, 1), raw: word.Value, text: word.Value}
		if word.Kind != yaml.ScalarNode {
			c.r.errorf(key, c.at(), "a key must be a plain word")
			continue
		}
		c.path = append(c.path, abbreviate(word.Value))
		value, valueSize := c.convert(y.Content[i+1])
		c.path = c.path[:len(c.path)-1]
		size += 1 + valueSize
		if y.Content[i].ShortTag() == "!!merge" {
			merged = append(merged, value)
			continue
		}
		if first, dup := seen[key.text]; dup {
			c.r.errorf(key, c.at(), "the key %q is already set at %s; remove one of the two", abbreviate(key.text), first.position())
			continue
		}
		seen[key.text] = key
		n.pairs = append(n.pairs, pair{key, value})
	}
	for _, m := range merged {
		sources := []*node{m}
		if m.kind == listNode {
			sources = m.items
		}
		for _, s := range sources {
			if s.kind != mapNode {
				c.r.errorf(s, c.at(), "<< takes a map, or a list of maps, usually an alias; got %s", s.kind)
				continue
			}
			for _, p := range s.pairs {
				// What the map says itself wins, then the first to be merged.
				if seen[p.key.text] == nil {
					seen[p.key.text] = p.key
					n.pairs = append(n.pairs, p)
				}
			}
		}
	}
	return size
}

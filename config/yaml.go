package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// This is the one file that knows the YAML library. It turns a text into nodes:
// aliases and merge keys (<<) resolved, duplicate keys and tags refused, depth,
// values and aliases bounded. What the library should not even see is for
// inspect.go.

// parseYAML returns the root of a text, or nil when there is none: because the
// text is empty, or because of an error, which it reported. Each scalar that is
// not a key is handed to expand, once, with what tells its path. marks are those
// of the files before and become those of the files until now (MaxMarks).
func parseYAML(src *source, r *reporter, marks *int, expand func(n *node, path func() string)) *node {
	at := func(line, column int) *node { return newNode(src, line, column) }
	in := inspection{data: src.data, marks: *marks}
	in.run()
	*marks = in.marks
	if in.problem != "" {
		r.errorf(at(in.line, in.column), "", "%s", in.problem)
		return nil
	}
	docs, err := loadYAML(bytes.NewReader(src.data))
	if err != nil {
		var load *yaml.LoadError
		if !errors.As(err, &load) {
			r.errorf(at(1, 1), "", "not valid YAML: %s", shorten(err.Error(), maxShownPath))
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
func loadYAML(text io.Reader) (docs []*yaml.Node, err error) {
	defer func() {
		// The library panics where it finds that it is wrong itself. A file
		// must not take the process down by that.
		if p := recover(); p != nil {
			err = fmt.Errorf("the parser failed: %v", p)
		}
	}()
	loader, err := yaml.NewLoader(text,
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
	case strings.Contains(message, "incompatible YAML document"):
		hint = "; remove the line %YAML"
	case strings.Contains(message, "unknown anchor"):
		hint = "; a value that starts with * must be quoted unless it names an anchor (&)"
	}
	if e.ContextMsg != "" {
		message = e.ContextMsg + ": " + message
	}
	return "not valid YAML: " + shorten(message, maxShownPath) + hint
}

type converter struct {
	src     *source
	r       *reporter
	expand  func(n *node, path func() string)
	path    []step                   // from the root to where convert is
	done    map[*yaml.Node]converted // anchored nodes that aliases may share
	aliased int                      // values that aliases stand for so far
	failed  bool                     // the tree is unusable: stop
}

// step is one step down a document: a key, or an index where key is nil.
type step struct {
	key   *node
	index int
}

type converted struct {
	node *node // nil while the node is being converted
	size int
}

// at is the path of the node being converted, lists by index: names are not
// known yet.
func (c *converter) at() string {
	var b strings.Builder
	for i, s := range c.path {
		switch {
		case s.key == nil:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
			continue
		case i > 0:
			b.WriteByte('.')
		}
		b.WriteString(abbreviate(s.key.text))
	}
	return b.String()
}

// errorf reports an error at n, with the path of the node being converted.
func (c *converter) errorf(n *node, format string, args ...any) {
	path := ""
	if !c.r.full() {
		path = c.at()
	}
	c.r.errorf(n, path, format, args...)
}

// convert returns the node for y and how many values it holds, aliases counted
// as often as they occur. Depth is bounded by the library. It takes y apart: the
// two trees are large, and need not be in memory both.
func (c *converter) convert(y *yaml.Node) (*node, int) {
	n := newNode(c.src, y.Line, y.Column)
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
	c.refuseTag(y, n)
	size := 1
	switch y.Kind {
	case yaml.MappingNode:
		n.kind, n.contents = mapNode, &contents{pairs: make([]pair, 0, len(y.Content)/2)}
		size += c.pairs(y, n)
	case yaml.SequenceNode:
		n.kind, n.contents = listNode, &contents{items: make([]*node, 0, len(y.Content))}
		for i, item := range y.Content {
			c.path = append(c.path, step{index: i})
			child, s := c.convert(item)
			c.path = c.path[:len(c.path)-1]
			n.items = append(n.items, child)
			size += s
			y.Content[i] = nil
		}
	default:
		if y.ShortTag() == "!!null" {
			n.kind = nullNode
			break
		}
		n.raw, n.text = y.Value, y.Value
		c.expand(n, c.at)
		size += len(n.text) >> 10
	}
	if y.Anchor != "" {
		c.done[y] = converted{n, size}
	}
	return n, size
}

// refuseTag reports a tag, such as !!str or !include.
func (c *converter) refuseTag(y *yaml.Node, n *node) {
	if y.Style&yaml.TaggedStyle != 0 {
		c.errorf(n, "the YAML tag %s has no meaning here; remove it", abbreviate(y.Tag))
	}
}

func (c *converter) alias(y *yaml.Node, n *node) (*node, int) {
	target := c.done[y.Alias]
	if target.node == nil {
		c.errorf(n, "the alias *%s is inside of what it stands for", abbreviate(y.Value))
		c.failed = true
		return n, 1
	}
	if c.aliased += target.size; c.aliased > MaxAliasNodes {
		c.errorf(n, "the aliases of this file stand for more than %d values", MaxAliasNodes)
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
		key := newNode(c.src, word.Line, word.Column)
		key.raw, key.text = word.Value, word.Value
		if word.Kind != yaml.ScalarNode {
			c.errorf(key, "a key must be a plain word")
			continue
		}
		c.refuseTag(word, key)
		if word.Anchor != "" {
			c.done[word] = converted{key, 1}
		}
		c.path = append(c.path, step{key: key})
		value, valueSize := c.convert(y.Content[i+1])
		c.path = c.path[:len(c.path)-1]
		y.Content[i], y.Content[i+1] = nil, nil
		size += 1 + valueSize
		if word.ShortTag() == "!!merge" {
			merged = append(merged, value)
			continue
		}
		if first, dup := seen[key.text]; dup {
			c.errorf(key, "the key %q is already set at %s; remove one of the two", abbreviate(key.text), first.position())
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
				c.errorf(s, "<< takes a map, or a list of maps, usually an alias; got %s", s.kind)
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

package rule

import (
	"slices"
	"strings"
)

// entry is a rule under one key of the index. That the key was reached proves
// the host or path alternative it came from, unless a check is left.
type entry struct {
	rule int32
	host *condition // nil: proven
	path *condition // nil: proven
}

// node is a node of a radix trie over request paths. The bytes on the way from
// the root are a literal; entries hang where their literal ends.
type node struct {
	label    string // bytes from the parent to here
	index    string // first byte of each child's label
	children []*node
	prefix   []entry // for paths that begin with the literal; ascending by rule
	exact    []entry // for the path that is the literal; ascending by rule
}

// add inserts an entry. Entries must come by ascending rule.
func (n *node) add(key string, exact bool, e entry) {
	for key != "" {
		i := strings.IndexByte(n.index, key[0])
		if i < 0 {
			n.index += key[:1]
			n.children = append(n.children, &node{label: key})
			n, key = n.children[len(n.children)-1], ""
			break
		}
		child := n.children[i]
		same := 0
		for same < len(key) && same < len(child.label) && key[same] == child.label[same] {
			same++
		}
		if same < len(child.label) {
			child = split(child, same)
			n.children[i] = child
		}
		n, key = child, key[same:]
	}
	if exact {
		n.exact = append(n.exact, e)
	} else {
		n.prefix = append(n.prefix, e)
	}
}

// split puts a node above n that takes the first bytes of its label.
func split(n *node, at int) *node {
	above := &node{label: n.label[:at], index: n.label[at : at+1], children: []*node{n}}
	n.label = n.label[at:]
	return above
}

// collect adds the lists of all entries whose literal agrees with the path to m.
func (n *node) collect(r *Request, m *merge) {
	for path := r.Path; ; {
		m.add(n.prefix, r)
		if len(path) == 0 {
			m.add(n.exact, r)
			return
		}
		i := strings.IndexByte(n.index, path[0])
		if i < 0 {
			return
		}
		n = n.children[i]
		if len(path) < len(n.label) || string(path[:len(n.label)]) != n.label {
			return
		}
		path = path[len(n.label):]
	}
}

// compact gives back the spare capacity that building left.
func (n *node) compact() {
	n.prefix, n.exact, n.children = slices.Clip(n.prefix), slices.Clip(n.exact), slices.Clip(n.children)
	for _, c := range n.children {
		c.compact()
	}
}

package config

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"path/filepath"
	"slices"
	"strings"
)

// Document is a configuration as written: one tree of values with their places,
// merged from a file and all that it includes, with ${…} expanded. It never
// changes. Build makes a Model of it.
type Document struct {
	root     *node // a map; nil when there was nothing to read
	files    []*source
	read     []string
	includes []string
	hash     string
	broken   bool // a part is missing, so that references cannot be judged
	r        reporter
}

// Load reads a configuration file and the files it includes. It never fails:
// what cannot be read or parsed is remembered, and Build reports it together
// with all else that is wrong. It keeps no file open and starts nothing. env looks up environment variables; nil stands for an empty environment.
func Load(path string, env LookupEnv) *Document {
	d := &Document{}
	l := loader{doc: d, fields: map[string]int{}, seen: map[string]*node{}, digest: sha256.New()}
	l.expander = expander{r: &d.r, env: env, files: true}
	l.include(filepath.Clean(path), printable(path), nil, 0)
	l.finish()
	return d
}

// parseDocument is Load for a text in memory, which can name no files.
func parseDocument(name string, data []byte, env LookupEnv) *Document {
	d := &Document{}
	l := loader{doc: d, fields: map[string]int{}, seen: map[string]*node{}, digest: sha256.New(), memory: true}
	l.expander = expander{r: &d.r, env: env}
	if len(data) > MaxFileSize {
		d.r.errorf(newNode(&source{name: name}, 1, 1), "", "larger than %d MiB, the most that is read", MaxFileSize>>20)
		d.broken = true
		return d
	}
	l.text(&source{name: name, data: data}, 0)
	l.finish()
	return d
}

// Read reads the configuration file at path and what it includes, and returns
// its Model, or all that is wrong with it. env is os.LookupEnv, usually.
func Read(path string, env LookupEnv) (*Model, Diagnostics) { return Load(path, env).Build() }

// Parse is Read for a text in memory: include and ${file:…} are errors in it.
// Diagnostics show name as the file.
func Parse(name string, data []byte, env LookupEnv) (*Model, Diagnostics) {
	return parseDocument(name, data, env).Build()
}

// Files returns the path of every file read, in load order: configuration
// files, then those that ${file:…} names. It is complete even when Build fails,
// as far as the files could be found.
func (d *Document) Files() []string { return slices.Clone(d.read) }

// Includes returns the patterns of include that may come to match new files,
// relative to the working directory or absolute.
func (d *Document) Includes() []string { return slices.Clone(d.includes) }

// loader reads files into a Document.
type loader struct {
	expander
	doc      *Document
	memory   bool
	digest   hash.Hash
	total    int              // bytes of all files so far
	marks    int              // of all files so far, see MaxMarks
	entries  int              // of all include fields so far
	fields   map[string]int   // by key: where in the root's pairs it is
	seen     map[string]*node // by real path: the include that named the file, or nil for the first
	stack    []string         // real paths of the files being read
	versions []*node
}

// include reads one file, which messages call shown. from is the include entry
// that names it, nil for the main file.
func (l *loader) include(path, shown string, from *node, depth int) {
	fail := func(format string, args ...any) {
		at := from
		if at == nil {
			at = &node{source: &source{name: shown}}
		}
		l.doc.broken = true
		l.doc.r.errorf(at, includePath(from), format, args...)
	}
	// Watched even when it cannot be read: it may become readable.
	if !slices.Contains(l.doc.read, path) {
		if len(l.doc.read) >= MaxFiles {
			fail("more than %d files are included", MaxFiles)
			return
		}
		l.doc.read = append(l.doc.read, path)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		fail("%v", fileError(err, shown))
		return
	}
	if abs, err := filepath.Abs(real); err == nil {
		real = abs
	}
	if i := slices.Index(l.stack, real); i >= 0 {
		var way strings.Builder
		for _, p := range l.stack[i:] {
			way.WriteString(shownPath(p) + " -> ")
		}
		fail("%s includes itself, by way of %s%s", shown, way.String(), shownPath(real))
		return
	}
	if first, again := l.seen[real]; again {
		fail("%s is already included at %s; include a file once", shown, first.position())
		return
	}
	if depth > MaxIncludeDepth {
		fail("include nests deeper than %d files", MaxIncludeDepth)
		return
	}
	l.seen[real] = from
	data, err := readRegular(path, shown, MaxFileSize)
	if err != nil {
		fail("%v", err)
		return
	}
	if l.total += len(data); l.total > MaxTotalSize {
		fail("all configuration files together are larger than %d MiB", MaxTotalSize>>20)
		return
	}
	l.stack = append(l.stack, real)
	name := printable(path)
	if from == nil {
		name = shown
	}
	l.text(&source{name: name, dir: filepath.Dir(path), data: data}, depth)
	l.stack = l.stack[:len(l.stack)-1]
}

func includePath(from *node) string {
	if from == nil {
		return ""
	}
	return "include"
}

// text parses one file, merges it into the document and follows its includes.
func (l *loader) text(src *source, depth int) {
	l.doc.files = append(l.doc.files, src)
	l.write(src.name)
	l.write(string(src.data))
	before := len(l.doc.r.errors)
	root := parseYAML(src, &l.doc.r, &l.marks, func(n *node, path func() string) {
		l.expand(n, path)
		if n.expanded() {
			l.write(n.text)
		}
	})
	start := newNode(src, 1, 1)
	switch {
	case root == nil && len(l.doc.r.errors) > before:
		l.doc.broken = true
		return
	case root == nil, root.kind == nullNode, root.kind == mapNode && len(root.pairs) == 0:
		// An included file may be empty, or all comments.
		if depth == 0 {
			l.doc.broken = true
			l.doc.r.errorf(start, "", "the configuration is empty; it starts with version: 1, load_balancers: and target_groups:")
		}
		return
	case root.kind != mapNode:
		l.doc.broken = true
		l.doc.r.errorf(root, "", "the file must be a map with version, load_balancers and target_groups, got %s", root.kind)
		return
	}
	for _, p := range root.pairs {
		l.merge(p)
	}
	for _, p := range root.pairs {
		if p.key.text == "include" {
			l.patterns(p.value, src, depth)
		}
	}
}

// merge adds a top-level field: lists of several files are joined, anything
// else may be set once, except version, which every file may say.
func (l *loader) merge(p pair) {
	if l.doc.root == nil {
		l.doc.root = newNode(p.key.source, 1, 1)
		l.doc.root.kind, l.doc.root.contents = mapNode, &contents{}
	}
	root := l.doc.root
	spec := documentObject.field(p.key.text)
	i, again := l.fields[p.key.text]
	if p.key.text == "version" {
		l.versions = append(l.versions, p.value)
	}
	switch {
	case spec == nil || !again:
		l.fields[p.key.text] = len(root.pairs)
		root.pairs = append(root.pairs, p)
	case p.key.text == "version" || p.key.text == "include":
	case spec.kind == listValue:
		first := root.pairs[i].value
		if p.value.kind != listNode || first.kind != listNode {
			if p.value.kind != listNode {
				l.doc.r.errorf(p.value, p.key.text, "must be a list, got %s", p.value.kind)
			}
			return
		}
		joined := *first
		joined.contents = &contents{items: slices.Concat(first.items, p.value.items)}
		root.pairs[i].value = &joined
	default:
		l.doc.r.errorf(p.key, p.key.text, "is already set at %s; it may be set in one file only", root.pairs[i].key.position())
	}
}

// patterns reads the files that an include field names.
func (l *loader) patterns(list *node, src *source, depth int) {
	if list.kind != listNode {
		l.doc.broken = true
		l.doc.r.errorf(list, "include", "must be a list of files or patterns, such as [conf.d/*.yaml], got %s", list.kind)
		return
	}
	for i, entry := range list.items {
		path := fmt.Sprintf("include[%d]", i)
		if l.entries++; l.entries > MaxFiles {
			l.doc.broken = true
			l.doc.r.errorf(entry, path, "include has more than %d entries", MaxFiles)
			return
		}
		switch {
		case entry.bad:
			l.doc.broken = true
		case entry.kind != scalarNode || entry.text == "":
			l.doc.broken = true
			l.doc.r.errorf(entry, path, "must be a file or a pattern, such as conf.d/*.yaml")
		case l.memory:
			l.doc.broken = true
			l.doc.r.errorf(entry, path, "a configuration that is not a file cannot include files")
		default:
			l.pattern(entry, path, src, depth)
		}
	}
}

func (l *loader) pattern(entry *node, path string, src *source, depth int) {
	if !strings.ContainsAny(entry.text, globMeta) { // a plain name must exist
		name := resolvePath(entry.text, src.dir)
		shown := shownPath(name)
		if entry.expanded() {
			// There may be no such file, and the name be a secret.
			shown = shownPath(entry.raw)
		}
		l.include(name, shown, entry, depth+1)
		return
	}
	pattern := resolvePath(entry.text, quoteGlob(src.dir))
	matches, err := Glob(pattern)
	if err != nil {
		l.doc.broken = true
		l.doc.r.errorf(entry, path, "%s is not a valid pattern; [ needs its ]", entry.shown())
		return
	}
	if !slices.Contains(l.doc.includes, pattern) {
		l.doc.includes = append(l.doc.includes, pattern)
	}
	for i, match := range matches {
		if i == MaxFiles {
			l.doc.broken = true
			l.doc.r.errorf(entry, path, "%s matches more than %d files", entry.shown(), MaxFiles)
			return
		}
		l.include(match, shownPath(match), entry, depth+1)
	}
}

// write adds a text to the document's hash, with its length, so that no two
// lists of texts are hashed the same.
func (l *loader) write(s string) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(s)))
	l.digest.Write(length[:])
	l.digest.Write([]byte(s))
}

func (l *loader) finish() {
	d := l.doc
	for _, path := range l.order {
		if !slices.Contains(d.read, path) {
			d.read = append(d.read, path)
		}
	}
	d.hash = hex.EncodeToString(l.digest.Sum(nil))
	for _, v := range l.versions[min(1, len(l.versions)):] {
		checkVersion(&d.r, v)
	}
}

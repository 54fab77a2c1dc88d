package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite generated references and golden files")

// TestDocs checks that the committed reference is what the tables say.
func TestDocs(t *testing.T) {
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{
		"configuration.md":  configurationReference(),
		"attributes.md":     attributesReference(),
		"elbow.schema.json": schema,
	} {
		golden(t, filepath.Join("..", "docs", "reference", name), want)
	}
}

// golden compares got with a committed file, or rewrites that with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	i := 0
	for i < min(len(g), len(w))-1 && g[i] == w[i] {
		i++
	}
	t.Errorf("%s differs from what is generated, first in line %d; run go test ./config -update and read the diff\ngot  %s\nwant %s", path, i+1, g[i], w[i])
}

const generated = "<!-- Generated from the tables of package config by `go generate ./config`; do not edit. -->\n"

func configurationReference() []byte {
	var b strings.Builder
	b.WriteString(generated + `
# Configuration reference

One YAML file, or several that ` + "`include`" + ` brings together, says everything. Names, ranges and defaults are those
of Elastic Load Balancing, in snake_case; a reference is a name instead of an ARN. JSON is YAML, so it works, too.
` + "`elbow validate --config FILE`" + ` checks a file and reports all that is wrong with it.

- Everything is strict: an unknown field, an attribute of another type, a duplicate or a reference to nothing is an error.
- Numbers and booleans may be written bare or quoted. Numbers are decimal, without leading zeros.
- A path is relative to the file that says it.
- YAML anchors, aliases and merge keys (` + "`<<`" + `) work; tags and several documents in one file do not.
- What ELB limits for its own sake, such as 100 rules or five values, has no limit here.

## Values from outside

In values, never in keys, and after the YAML was parsed, so that nothing put in can become YAML:

| Written | Stands for |
|---|---|
| ` + "`${NAME}`" + ` | the environment variable, which must be set |
| ` + "`${NAME:-default}`" + ` | the variable, or the default when it is unset or empty |
| ` + "`${NAME:?message}`" + ` | the variable, or an error with the message when it is unset or empty |
| ` + "`${file:path}`" + ` | the content of a file, less one newline at its end |
| ` + "`$$`" + ` | a dollar sign |

A default or message holds no ` + "`}`" + `. Any other ` + "`$`" + ` stays as it is. Error messages show such a value as it is written, never what it stands for.

## Bounds

`)
	fmt.Fprintf(&b, "A file may have %d MiB, all files together %d MiB and %d of the marks that separate values: `,` `[` `{` count twice;\n"+
		"`:` `&` `!`, the `-` of an item, `?` and the `#` of a comment count once. There may be %d files, included %d deep. Lists and maps nest\n"+
		"up to %d deep. The aliases of a file stand for up to %d values. A file named by `${file:…}` may have %d MiB; all `${…}` together\n"+
		"produce up to %d MiB. There may be %d zones, %d addresses and ports that are listened on, and regular expressions that compile\nto %d MiB.\n",
		MaxFileSize>>20, MaxTotalSize>>20, MaxMarks, MaxFiles, MaxIncludeDepth, MaxDepth, MaxAliasNodes, MaxValueFileSize>>20, MaxExpansion>>20,
		MaxZones, MaxBinds, MaxRegexSize>>20)

	seen := map[string]bool{}
	var write func(o *object)
	write = func(o *object) {
		if seen[o.name] || o.notYet {
			return
		}
		seen[o.name] = true
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| Field | Value | Default | Meaning |\n|---|---|---|---|\n", title(o.name), o.doc)
		var later []*object
		for i := range o.fields {
			f := &o.fields[i]
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, cell(describe(f)), describeDefault(f), cell(describeDoc(f)))
			later = append(later, children(f)...)
		}
		for _, c := range later {
			write(c)
		}
	}
	write(documentObject)
	return []byte(b.String())
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func children(f *field) []*object {
	switch {
	case f.notYet:
	case f.kind == listValue && f.item != nil:
		return children(f.item)
	case f.kind == objectValue:
		return []*object{f.object}
	case f.kind == unionValue:
		return f.union.variants
	}
	return nil
}

func link(name string) string {
	return fmt.Sprintf("[%s](#%s)", name, strings.ReplaceAll(strings.ToLower(name), " ", "-"))
}

func describe(f *field) string {
	switch {
	case f.notYet:
		return "*not supported yet*"
	case f.kind == integerValue && f.min == f.max:
		return fmt.Sprint(f.min)
	case f.kind == integerValue:
		s := fmt.Sprintf("%d to %d", f.min, f.max)
		if f.unit != "" {
			s += " " + f.unit
		}
		return s
	case f.kind == booleanValue:
		return "`true` or `false`"
	case f.kind == choiceValue:
		var out []string
		for _, w := range words(f.values) {
			out = append(out, "`"+w+"`")
		}
		return orList(out)
	case f.kind == listValue:
		return "list of: " + describe(f.item)
	case f.kind == objectValue:
		return link(f.object.name)
	case f.kind == unionValue:
		var out []string
		for _, v := range f.union.variants {
			if !v.notYet {
				out = append(out, link(v.name))
			}
		}
		return orList(out)
	case f.kind == attributesValue:
		return fmt.Sprintf("map of [%s attributes](attributes.md#%s-attributes)", f.owner, strings.ReplaceAll(f.owner.String(), " ", "-"))
	}
	s := "text"
	if f.format != "" {
		s = f.format
	}
	if f.max > 0 {
		s += fmt.Sprintf(", at most %d characters", f.max)
	}
	return s
}

func describeDefault(f *field) string {
	switch {
	case f.required:
		return "**required**"
	case f.def != "":
		return "`" + f.def + "`"
	}
	return ""
}

func describeDoc(f *field) string {
	doc := f.doc
	var notYet []string
	for _, v := range f.values {
		if v.doc != "" {
			doc += fmt.Sprintf(" `%s`: %s.", v.word, v.doc)
		}
		if v.notYet {
			notYet = append(notYet, "`"+v.word+"`")
		}
	}
	if len(notYet) > 0 {
		doc += " Not supported yet: " + strings.Join(notYet, ", ") + "."
	}
	return doc
}

func attributesReference() []byte {
	var b strings.Builder
	b.WriteString(generated + `
# Attributes

Every attribute of ELB by its own key, and Elbow's additions, which start with ` + "`elbow.`" + `. They are written under
` + "`attributes`" + ` of a load balancer, target group or listener. An attribute that is *not yet* supported is accepted with its
default, which changes nothing, and refused with any other value.
`)
	for _, owner := range []AttributeOwner{OfLoadBalancer, OfTargetGroup, OfListener} {
		fmt.Fprintf(&b, "\n## %s attributes\n\n| Key | Of | Values | Default | Supported | Meaning |\n|---|---|---|---|---|---|\n", title(owner.String()))
		for _, a := range Attributes() {
			if a.Owner != owner {
				continue
			}
			def := ""
			if a.Default != "" {
				def = "`" + a.Default + "`"
			}
			if a.InternalDefault != "" {
				def += ", `" + a.InternalDefault + "` when internal"
			}
			supported := "yes"
			if a.NotYet {
				supported = "not yet"
			} else if len(a.NotYetWords) > 0 {
				supported = "not yet: " + strings.Join(a.NotYetWords, ", ")
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", a.Key, of(a), cell(a.Allowed()), def, supported, cell(a.Doc))
		}
	}
	return []byte(b.String())
}

// of says which resources of its owner an attribute belongs to.
func of(a Attribute) string {
	s := a.Types.String()
	var more []string
	for _, p := range a.Protocols {
		more = append(more, p.String())
	}
	for _, p := range a.TargetTypes {
		more = append(more, "target type "+p.String())
	}
	if len(more) > 0 {
		s += " (" + strings.Join(more, ", ") + ")"
	}
	return s
}

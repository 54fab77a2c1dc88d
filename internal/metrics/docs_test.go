package metrics

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the generated part of docs/metrics.md")

const docsPath = "../../docs/metrics.md"

// table is the reference table of docs/metrics.md, made from the catalog.
func table() string {
	var b strings.Builder
	b.WriteString("| metric | type | labels | meaning | CloudWatch |\n|---|---|---|---|---|\n")
	for _, m := range Catalog() {
		labels, cloudWatch := "", "–"
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "`, `") + "`"
		}
		if m.CloudWatch != "" {
			cloudWatch = m.CloudWatch
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Kind, labels, m.Help, cloudWatch)
	}
	return b.String()
}

// TestDocs keeps docs/metrics.md in step with the catalog; run it with -update
// after a change.
func TestDocs(t *testing.T) {
	const begin, end = "<!-- begin generated: go test ./internal/metrics -run TestDocs -update -->\n", "<!-- end generated -->"
	b, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(b), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s lacks the marks around the generated table", docsPath)
	}
	want := before + begin + table() + end + after
	if *update {
		if err := os.WriteFile(docsPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(b) {
		t.Errorf("%s is out of date: go test ./internal/metrics -run TestDocs -update", docsPath)
	}
	for _, code := range elbCodeNames {
		if !strings.Contains(string(b), "`"+code+"`") {
			t.Errorf("%s does not name the code %s", docsPath, code)
		}
	}
	for _, bound := range bucketBounds {
		if !strings.Contains(string(b), fmt.Sprint(bound.Seconds())) {
			t.Errorf("%s does not name the bound %v", docsPath, bound)
		}
	}
}

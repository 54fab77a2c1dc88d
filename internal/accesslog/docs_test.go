package accesslog

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestDocs compares docs/access-log.md with what the formatters write: the
// fields and which of them are quoted, the keys, and the example.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/access-log.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	r := forwarded()

	line := string(appendELB(nil, &r, new(stamper)))
	if !strings.Contains(text, "\n"+line) {
		t.Errorf("the example is not what Elbow writes:\n%s", line)
	}

	// A line in which every field shows whether it is quoted.
	quoted := regexp.MustCompile(`"[^"]*"|[^ "]+`).FindAllString(strings.TrimSuffix(line, "\n"), -1)
	var names []string
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \| (\S+) \| (yes)? ?\|`).FindAllStringSubmatch(text, -1) {
		names = append(names, row[2])
		if row[1] != strconv.Itoa(len(names)) {
			t.Fatalf("row %d has number %s", len(names), row[1])
		}
		if isQuoted := quoted[len(names)-1][0] == '"'; isQuoted != (row[3] == "yes") {
			t.Errorf("field %d (%s): quoted is %v", len(names), row[2], isQuoted)
		}
	}
	if len(names) != Fields || len(quoted) != Fields {
		t.Fatalf("%d rows, %d fields, want %d", len(names), len(quoted), Fields)
	}

	var documented, written []string
	_, table, _ := strings.Cut(text, "| keys | fields |")
	table, _, _ = strings.Cut(table, "\n\n")
	for row := range strings.Lines(table) {
		if cells := strings.Split(row, "|"); len(cells) > 2 {
			for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
				documented = append(documented, m[1])
			}
		}
	}
	for _, m := range regexp.MustCompile(`[{,]"([a-z_]+)":`).FindAllStringSubmatch(string(appendJSON(nil, &r, new(stamper))), -1) {
		written = append(written, m[1])
	}
	if !slices.Equal(documented, written) {
		t.Errorf("keys documented\n%v\nkeys written\n%v", documented, written)
	}
}

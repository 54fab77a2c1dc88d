// Package docs holds no code: its tests hold the documents to the tree.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/config"
)

// pages returns every Markdown file that people write.
func pages(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"../*.md", "*.md", "design/*.md", "../deploy/*.md", "../bench/*.md", "../test/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

var link = regexp.MustCompile(`\]\(([^)#]+)(?:#[^)]*)?\)`)

// TestLinks follows every link that stays inside the repository.
func TestLinks(t *testing.T) {
	for _, page := range pages(t) {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(data), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, m[1])
			}
		}
	}
}

// TestReadmeExample loads the configuration that the README tells people to
// write, with and without the rule that it then tells them to add.
func TestReadmeExample(t *testing.T) {
	data, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(data), -1)
	if len(blocks) != 2 {
		t.Fatalf("the README has %d yaml blocks, want a configuration and a rule", len(blocks))
	}
	whole, rules := blocks[0][1], blocks[1][1]
	action := "        default_actions: [{type: forward, target_group: web}]\n"
	if !strings.Contains(whole, action) {
		t.Fatal("the configuration has no line to put the rule after")
	}
	for name, text := range map[string]string{
		"elbow.yaml":           whole,
		"elbow.yaml with rule": strings.Replace(whole, action, action+rules, 1),
	} {
		model, diagnostics := config.Parse(name, []byte(text), nil)
		if model == nil {
			t.Errorf("%v", diagnostics)
		}
	}
}

// TestGlossaryIsSorted keeps the glossary easy to look things up in.
func TestGlossaryIsSorted(t *testing.T) {
	data, err := os.ReadFile("glossary.md")
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for _, m := range regexp.MustCompile(`(?m)^\*\*([^*]+)\*\*`).FindAllStringSubmatch(string(data), -1) {
		if word := strings.ToLower(m[1]); word < last {
			t.Errorf("%q stands after %q", word, last)
		} else {
			last = word
		}
	}
}

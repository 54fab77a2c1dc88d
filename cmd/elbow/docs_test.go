package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

//go:generate go test . -run TestDocs -update

var update = flag.Bool("update", false, "rewrite the generated reference")

const reference = "../../docs/cli.md"

// TestDocs checks that the committed reference is what the commands say.
func TestDocs(t *testing.T) {
	got := commandReference(newRoot())
	if *update {
		if err := os.WriteFile(reference, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date; run go generate ./cmd/elbow and read the diff", reference)
	}
}

// TestHelp holds every command to a help text that teaches.
func TestHelp(t *testing.T) {
	for _, cmd := range newRoot().Commands() {
		if cmd.Short == "" || len(cmd.Long) <= len(cmd.Short) || cmd.Example == "" {
			t.Errorf("%s: Short, Long or Example is missing", cmd.Name())
		}
		for _, text := range []string{cmd.Long, cmd.Example} {
			for line := range strings.Lines(text) {
				if len(line) > 100 {
					t.Errorf("%s: a line of the help is %d wide: %s", cmd.Name(), len(line), line)
				}
			}
		}
	}
}

func commandReference(root *cobra.Command) []byte {
	var b bytes.Buffer
	fmt.Fprint(&b, "<!-- Generated from the commands' help by `go generate ./cmd/elbow`; do not edit. -->\n")
	fmt.Fprintf(&b, "# Commands\n\n%s\n\nExit codes and signals are in [operations.md](operations.md).\n\n", root.Long)
	for _, cmd := range root.Commands() {
		fmt.Fprintf(&b, "- [elbow %s](#elbow-%s): %s\n", cmd.Name(), cmd.Name(), cmd.Short)
	}
	fmt.Fprintf(&b, "- elbow completion: the completion script of bash, zsh, fish or powershell; `elbow completion bash --help` says where it goes\n")
	for _, cmd := range root.Commands() {
		fmt.Fprintf(&b, "\n## elbow %s\n\n%s.\n\n```\n%s\n```\n", cmd.Name(), cmd.Short, cmd.UseLine())
		fmt.Fprintf(&b, "\n```text\n%s\n```\n\nExamples:\n\n```\n%s\n```\n", cmd.Long, unindent(cmd.Example))
		if flags := cmd.NonInheritedFlags().FlagUsagesWrapped(120); flags != "" {
			fmt.Fprintf(&b, "\nFlags:\n\n```\n%s```\n", unindent(flags))
		}
	}
	return b.Bytes()
}

// unindent takes two blanks off each line.
func unindent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimPrefix(line, "  "))
	}
	return b.String()
}

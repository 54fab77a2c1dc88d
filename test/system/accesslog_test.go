package system

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// logged renders the configuration of simple, with an access log.
func logged(d *daemon, groupText string) string {
	return "access_log: {file: access.log}\n" + d.forward(groupText)
}

// Every request has its line, every line its 34 fields, and rotation under load
// loses none.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	targets := addresses(three(t, startGo))
	d := start(t, func(d *daemon) string { return logged(d, group("main", once, targets...)) })
	path := filepath.Join(d.dir, "access.log")

	const rotations = 5
	l := load{addr: d.addr, clients: 16, requests: scaled(10_000), call: func(c, n int) call {
		if n%10 == 0 {
			return token(c, n)
		}
		return call{method: http.MethodGet, raw: get(fmt.Sprintf("/id?client=%d&n=%d", c, n))}
	}}.start(t)
	paths := []string{path}
	for i := range rotations {
		l.more(t, l.requests/(rotations+1))
		rotated := fmt.Sprintf("%s.%d", path, i)
		if err := os.Rename(path, rotated); err != nil {
			t.Fatal(err)
		}
		d.signal(t, syscall.SIGUSR1)
		eventually(t, "the log is opened anew", func() bool { return d.output.count("access log opened anew") == i+1 })
		paths = append(paths, rotated)
	}
	l.underWay(t)
	l.stop()
	l.clean(t)

	// Requests that are answered or refused by Elbow itself are logged as well.
	own := []string{
		"BREW /id HTTP/1.1\r\nHost: test\r\nContent-Length: x\r\n\r\n",
		"GET /id HTTP/1.1\r\nHost: test\r\nUser-Agent: a \"quoted\\\" one\x80\r\n\r\n",
		"GET /missing HTTP/1.1\r\nHost: test\r\n\r\n",
		"TRACE /id HTTP/1.1\r\nHost: test\r\n\r\n",
	}
	for _, raw := range own {
		c := client{addr: d.addr}
		if _, err := c.do(http.MethodGet, []byte(raw), false); err != nil {
			t.Errorf("%q: %v", raw, err)
		}
	}
	d.finish(t) // which writes what is still in buffers

	lines := 0
	seen := map[string]int{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 && p != path {
			t.Errorf("%s is empty: nothing was logged between two rotations", filepath.Base(p))
		}
		if len(b) > 0 && b[len(b)-1] != '\n' {
			t.Errorf("%s ends within a line", filepath.Base(p))
		}
		for line := range bytes.Lines(b) {
			lines++
			fields, err := splitFields(strings.TrimSuffix(string(line), "\n"))
			if err != nil || len(fields) != 34 {
				t.Fatalf("%d fields, %v: %s", len(fields), err, line)
			}
			seen[fields[12]]++
		}
	}
	if want := int(l.done.Load()) + len(own); lines != want {
		t.Errorf("%d lines for %d requests", lines, want)
	}
	for request, n := range seen {
		if strings.Contains(request, "client=") && n != 1 {
			t.Errorf("%d lines for %s", n, request)
		}
	}
	t.Logf("%d lines in %d files for %d requests", lines, len(paths), int(l.done.Load())+len(own))
}

var logField = regexp.MustCompile(`^(?:"[^"]*"|[^" ]+)$`)

// splitFields splits a line as docs/access-log.md says.
func splitFields(line string) ([]string, error) {
	var fields []string
	for line != "" {
		end := strings.IndexByte(line, ' ')
		if line[0] == '"' {
			closing := strings.IndexByte(line[1:], '"')
			if closing < 0 {
				return fields, fmt.Errorf("no closing quote in %q", line)
			}
			end = closing + 2
			if end == len(line) {
				end = -1
			}
		}
		field := line
		if end >= 0 {
			if line[end] != ' ' {
				return fields, fmt.Errorf("no space after %q", line[:end])
			}
			field, line = line[:end], line[end+1:]
		} else {
			line = ""
		}
		if !logField.MatchString(field) {
			return fields, fmt.Errorf("field %q", field)
		}
		fields = append(fields, field)
	}
	return fields, nil
}

// readLines returns the lines of a file.
func readLines(t testing.TB, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

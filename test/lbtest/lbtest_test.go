package lbtest

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseArchive(t *testing.T) {
	a, err := ParseArchive([]byte("text\n-- no name\n-- a.yaml --\none\n\n--  b c  --\n-- d --\nlast"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "text\n-- no name\n"; a.Text != want {
		t.Errorf("text: got %q, want %q", a.Text, want)
	}
	want := []File{{"a.yaml", "one\n\n"}, {"b c", ""}, {"d", "last"}}
	if len(a.Files) != len(want) {
		t.Fatalf("got files %q, want %q", a.Files, want)
	}
	for i, f := range want {
		if a.Files[i] != f {
			t.Errorf("file %d: got %q, want %q", i, a.Files[i], f)
		}
	}
	if _, ok := a.File("e"); ok {
		t.Error("found a file that is not there")
	}
	if _, err := ParseArchive([]byte("-- a --\n-- a --\n")); err == nil {
		t.Error("a file that occurs twice must be an error")
	}
}

func TestSplit(t *testing.T) {
	f := func(line string, want ...string) {
		t.Helper()
		words, err := split(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			return
		}
		var got []string
		for _, w := range words {
			text := w.text
			if w.literal {
				text = "literal " + text
			}
			got = append(got, text)
		}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
	f("")
	f("  # comment")
	f("a  b\tc # comment", "a", "b", "c")
	f(`a#b`, "a#b")
	f(`x="a b"c ""`, "x=a bc", "")
	f(`"\r\n\x00\"\\"`, "\r\n\x00\"\\")
	f(`'a "$b" \n' c'd'`, `literal a "$b" \n`, "literal cd")
	for _, bad := range []string{`"open`, `'open`, `"\q"`} {
		if _, err := split(bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func TestParseScript(t *testing.T) {
	s, err := ParseScript([]byte("# Requirement: a sentence,\n# to its end.\n\nservers s1 &\n# not of it\nclock +1s\n"))
	if err != nil {
		t.Fatal(err)
	}
	if s.Requirement != "a sentence, to its end." {
		t.Errorf("requirement: %q", s.Requirement)
	}
	if len(s.commands) != 2 || !s.commands[0].background || s.commands[1].line != 6 || s.commands[1].background {
		t.Errorf("commands: %+v", s.commands)
	}
	if !s.Uses("clock") || !s.Uses("servers", "s1") || s.Uses("servers", "s2") || s.Uses("lb") {
		t.Error("Uses is wrong")
	}
	for _, bad := range []string{"servers s1\n", "# only a comment\n", "# x\n\"open\n"} {
		if _, err := ParseScript([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestMatches(t *testing.T) {
	f := func(want, seen string, ok bool) {
		t.Helper()
		got, err := matches(want, seen)
		if err != nil || got != ok {
			t.Errorf("%q, %q: got %v %v, want %v", want, seen, got, err, ok)
		}
	}
	f("a", "a", true)
	f("a", "b", false)
	f("~^a.c$", "a\nc", true)
	f("!~b", "abc", false)
	f("!a", "b", true)
	f("3..5", "5", true)
	f("3..5", "6", false)
	f("0.5..1", "0.75", true)
	f("/a..b", "/a..b", true)
	if _, err := matches("~(", ""); err == nil {
		t.Error("an invalid expression must be an error")
	}
}

func TestMessage(t *testing.T) {
	f := func(raw string, request bool, method, body, framing string, whole bool) {
		t.Helper()
		m := &message{}
		r := bufio.NewReader(strings.NewReader(raw))
		err := m.readHead(r)
		if err == nil {
			err = m.readBody(r, request, method, func() {})
		}
		if (err == nil) != whole || whole && (string(m.body) != body || m.framing != framing) {
			t.Errorf("%q: got body %q framing %s error %v, want %q %s", raw, m.body, m.framing, err, body, framing)
		}
	}
	const ok = "HTTP/1.1 200 OK\r\n"
	f(ok+"Content-Length: 2\r\n\r\nabc", false, "GET", "ab", "length", true)
	f(ok+"Content-Length: 2\r\n\r\n", false, "HEAD", "", "none", true)
	f(ok+"Content-Length: 2\r\n\r\na", false, "GET", "", "", false)
	f(ok+"\r\nabc", false, "GET", "abc", "close", true)
	f(ok+"Transfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n2\r\nbc\r\n0\r\nX: y\r\n\r\n", false, "GET", "abc", "chunked", true)
	f(ok+"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n", false, "GET", "", "", false)
	f(ok+"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", false, "GET", "", "", false)
	f(ok+"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", false, "GET", "", "", false)
	f(ok+"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", false, "GET", "", "", false)
	f("HTTP/1.1 304 x\r\nContent-Length: 2\r\n\r\n", false, "GET", "", "none", true)
	f("GET / HTTP/1.1\r\nHost: x\r\n\r\n", true, "", "", "none", true)
	f("GET / HTTP/1.1\nHost: x\r\n\r\n", true, "", "", "", false)
	f("GET / HTTP/1.1\r\nHost : x\r\n\r\n", true, "", "", "", false)
}

func TestPattern(t *testing.T) {
	p := append([]byte(nil), pattern(100)...)
	if string(p[:32]) != "000000000000000\n000000000000010\n" {
		t.Errorf("got %q", p[:32])
	}
	if wrong := checkPattern(p, 100); wrong != "" {
		t.Error(wrong)
	}
	if checkPattern(p[:99], 100) == "" || checkPattern(append(p, 'x'), 100) == "" {
		t.Error("a wrong length was not noticed")
	}
	p[40] = 'x'
	if wrong := checkPattern(p, 100); !strings.HasPrefix(wrong, "byte 40 ") {
		t.Errorf("got %q", wrong)
	}
}

func TestSumMetric(t *testing.T) {
	const text = "# HELP m x\nm{a=\"1\",b=\"x\"} 2\nm{a=\"2\",b=\"x\"} 3\nmm{a=\"1\"} 9\nn 4.5\n"
	f := func(name, labels string, want float64) {
		t.Helper()
		if got, _, err := sumMetric(text, name, labels); err != nil || got != want {
			t.Errorf("%s{%s}: got %v %v, want %v", name, labels, got, err, want)
		}
	}
	f("m", "", 5)
	f("m", "a=1", 2)
	f("m", "b=x,a=2", 3)
	f("m", "a=3", 0)
	f("n", "", 4.5)
	f("o", "", 0)
}

func TestParseReply(t *testing.T) {
	steps, err := parseReply(strings.Fields("early raw x body status 204 -H A:b hold close"))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []stepKind
	for _, s := range steps {
		kinds = append(kinds, s.kind)
	}
	want := []stepKind{stepWrite, stepBody, stepRespond, stepHold, stepClose}
	if len(kinds) != len(want) {
		t.Fatalf("got %v, want %v", kinds, want)
	}
	for i := range want {
		if kinds[i] != want[i] {
			t.Errorf("step %d: got %v, want %v", i, kinds[i], want[i])
		}
	}
	if got := string(steps[2].resp.bytes("s1", "GET")); got != "HTTP/1.1 204 Status 204\r\nServed-By: s1\r\nA:b\r\n\r\n" {
		t.Errorf("got %q", got)
	}
	for _, bad := range []string{"", "status", "status x", "status 200 -nope x", "raw", "dance"} {
		if _, err := parseReply(strings.Fields(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// TestFailure holds the engine to noticing: each script expects what is not so,
// and must fail with the line, both sides and the transcript.
func TestFailure(t *testing.T) {
	const files = `
-- lb.yaml --
version: 1
load_balancers:
  - name: app
    type: application
    listeners:
      - protocol: HTTP
        port: $port1
        default_actions: [{type: fixed-response, status_code: "200", content_type: text/plain, message_body: hi}]
`
	f := func(script string, want ...string) {
		t.Helper()
		s, err := ParseScript([]byte("# Requirement: none.\n" + script + files))
		if err != nil {
			t.Fatal(err)
		}
		err = s.run("x.txtar", Options{})
		if err == nil {
			t.Errorf("%s: no failure", script)
			return
		}
		for _, w := range append(want, "Requirement: none.", "Transcript:") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: the report lacks %q:\n%v", script, w, err)
			}
		}
	}
	f("lb start lb.yaml\nclient c1 get /\nexpect c1 status 404", "x.txtar:4: expect c1 status 404", `expected status "404"`, `seen "200"`, "sends \"GET / ")
	f("lb start lb.yaml\nclient c1 get /\nexpect c1 body ho", `seen "hi"`)
	f("lb start lb.yaml\nclient c1 get /\nexpect c1 header Nope", "expected header Nope")
	f("lb start lb.yaml\nclient c1 get /\nexpect c1 no-header Server", "expected no Server")
	f("lb start lb.yaml\nclient c1 get /\nexpect c1 served s1=1", "requests served by s1")
	f("lb start nope.yaml", "there is no file nope.yaml")
	f("lb start lb.yaml -> rejected x", "seen it accepted")
	f("client c1 get /", "no configuration has a $port1")
	f("servers s1\nserver s1 saw requests 1", `expected number of requests to s1 "1"`)
	f("dance", "unknown verb dance")
	f("lb start lb.yaml\nclient c1 get $nope", "unknown variable $nope")
	f("lb start lb.yaml\nclient c1 raw \"BAD\\r\\n\\r\\n\" -methods GET,GET", "client c1: connection closed without a response")
}

func TestRunsOn(t *testing.T) {
	dir := t.TempDir()
	f := func(script string, wantInProcess, wantDaemon, wantErr bool) {
		t.Helper()
		file := filepath.Join(dir, "x.txtar")
		if err := os.WriteFile(file, []byte("# Requirement: none.\n"+script), 0o600); err != nil {
			t.Fatal(err)
		}
		inProcess, daemon, err := RunsOn(file)
		if inProcess != wantInProcess || daemon != wantDaemon || (err != nil) != wantErr {
			t.Errorf("%s: got %v %v %v", script, inProcess, daemon, err)
		}
	}
	f("lb start x", true, true, false)
	f("clock +1s", true, false, false)
	f("lb edit x", false, true, false)
	f("lb signal HUP", false, true, false)
	f("lb edit x\nclock +1s", false, false, true)
}

package gate

import (
	"strings"
	"testing"
)

func TestUnescape(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		got, err := unescape(in)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v; want %q", in, got, err, want)
		}
	}
	f("", "")
	f(`a\r\n\t\\\{\}b`, "a\r\n\t\\{}b")
	f(`\x00\xff é`, "\x00\xff é")
	f(`{ab*3}c`, "abababc")
	f(`{\r\n*2}`, "\r\n\r\n")
	f(`{a**2}`, "a*a*")
	f(`{\}*2}`, "}}")
	for _, bad := range []string{`\`, `\q`, `\x0`, `\xgg`, `{a`, `{a}`, `{*3}`, `{a*b}`, `{a*-1}`, `{aaaa*9999999}`} {
		if got, err := unescape(bad); err == nil {
			t.Errorf("%s: got %q, want an error", bad, got)
		}
	}
}

func TestParse(t *testing.T) {
	cases, err := Parse("topic.txt", `
# comment
case one
  from RFC
  class Severe BadThing
  > GET / HTTP/1.1
  >
  >- body
  await
  half-close
  < HTTP/1.1 200 OK
  <-
  <early
  = 400|501 close
  = 200 200 keep
  = none close
  = 200 cut close

case two
  from RFC
  with deny
  > $1
  = 200
  sees GET $1
  each a /x y
  each b
`)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 3 {
		t.Fatalf("got %d cases, want 3", len(cases))
	}
	c := cases[0]
	if c.Name != "topic/one" || c.Where != "topic.txt:3" || c.Tier != Severe || c.Reason != "BadThing" || c.Profile != "plain" {
		t.Errorf("got %+v", c)
	}
	if len(c.Steps) != 3 || string(c.Steps[0].Send) != "GET / HTTP/1.1\r\n\r\nbody" || !c.Steps[1].Await || !c.Steps[2].End {
		t.Errorf("got steps %+v", c.Steps)
	}
	if string(c.Reply.Bytes) != "HTTP/1.1 200 OK\r\n" || !c.Reply.Early || c.Reply.Close {
		t.Errorf("got reply %+v", c.Reply)
	}
	var wants []string
	for _, w := range c.Want {
		wants = append(wants, w.String())
	}
	if got, want := strings.Join(wants, ", "), "400|501 close, 200 200 keep, none close, 200 cut close"; got != want {
		t.Errorf("got outcomes %s, want %s", got, want)
	}
	if c = cases[1]; c.Name != "topic/two/a" || c.Where != "topic.txt:25" || string(c.Steps[0].Send) != "/x y\r\n" || c.Sees[0] != "GET /x y" {
		t.Errorf("got %+v", c)
	}
	if c = cases[2]; c.Name != "topic/two/b" || string(c.Steps[0].Send) != "\r\n" {
		t.Errorf("got %+v", c)
	}
	const good = "case a\n  from RFC\n  > x\n  = 200\n"
	for name, bad := range map[string]string{
		"before the first case":  "> x\n",
		"white space at the end": good + "  > x \n",
		"unknown":                good + "  what\n",
		"no from":                "case a\n  > x\n  = 200\n",
		"sends nothing":          "case a\n  from RFC\n  = 200\n",
		"no outcome":             "case a\n  from RFC\n  > x\n",
		"no status":              good + "  = 2000\n",
		"no tier":                good + "  class Bad X\n",
		"no reason":              good + "  class Severe\n",
		"no configuration":       good + "  with nothing\n",
		"Name: value":            good + "  has X\n",
		"unknown escape":         good + "  > \\q\n",
	} {
		if _, err := Parse("topic.txt", bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("case a\n  from RFC\n  > {x*3}\\r\\n\n  = 200 keep\n  each a b\n")
	f.Fuzz(func(t *testing.T, text string) {
		cases, err := Parse("topic.txt", text)
		for _, c := range cases {
			if err == nil && (len(c.Steps) == 0 || len(c.Want) == 0) {
				t.Errorf("%s: nothing is sent, or nothing expected", c.Name)
			}
		}
	})
}

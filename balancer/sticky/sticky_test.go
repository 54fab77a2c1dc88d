package sticky

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

var token = Token{Kind: Target, Scope: ID("web"), Key: ID("10.0.0.1:80"), Issued: 1_700_000_000}

func TestSealAndOpen(t *testing.T) {
	k := NewKeys()
	for _, kind := range []Kind{Target, Application, Group} {
		want := token
		want.Kind = kind
		v := k.Seal(want)
		if len(v) != ValueSize {
			t.Errorf("%d bytes, want ValueSize = %d", len(v), ValueSize)
		}
		if got, ok := k.Open([]byte(v), new(Scratch)); !ok || got != want {
			t.Errorf("got %+v %v, want %+v", got, ok, want)
		}
		if again := k.Seal(want); again == v {
			t.Error("two seals of one token are equal, so the nonce is not new")
		}
		if strings.Contains(v, "web") {
			t.Error("the cookie tells")
		}
	}
}

// Every change of any character makes it no cookie.
func TestTampered(t *testing.T) {
	k := NewKeys()
	v := []byte(k.Seal(token))
	for i := range v {
		for _, c := range []byte("A_=%") {
			changed := bytes.Clone(v)
			if changed[i] = c; c == v[i] {
				continue
			}
			// The last character has bits that mean nothing; strict or not, what
			// it decodes to is sealed.
			if got, ok := k.Open(changed, new(Scratch)); ok && got != token {
				t.Fatalf("%s opened as %+v", changed, got)
			} else if ok && i < len(v)-1 {
				t.Fatalf("%q opened, changed at %d", changed, i)
			}
		}
	}
	for _, s := range []string{"", "x", string(v[1:]), string(v) + "A", strings.Repeat("A", ValueSize), strings.Repeat("\xff", ValueSize)} {
		if _, ok := k.Open([]byte(s), new(Scratch)); ok {
			t.Errorf("%q opened", s)
		}
	}
	if _, ok := NewKeys().Open(v, new(Scratch)); ok {
		t.Error("another key opened it")
	}
}

func TestRotation(t *testing.T) {
	line := func() string {
		var key string
		for l := range strings.Lines(string(GenerateFile())) {
			if l[0] != '#' {
				key = l
			}
		}
		return key
	}
	parse := func(lines ...string) *Keys {
		t.Helper()
		k, err := ParseKeys([]byte(strings.Join(lines, "")))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	a, b, c := line(), line(), line()
	v := []byte(parse(a).Seal(token))
	if _, ok := parse(b, "\n# old\n", " "+a).Open(v, new(Scratch)); !ok {
		t.Error("a key that was rotated must open what it sealed")
	}
	if _, ok := parse(a, b).Open([]byte(parse(b, a).Seal(token)), new(Scratch)); !ok {
		t.Error("a node that has not seen the rotation yet must open what a node that has sealed")
	}
	if _, ok := parse(b, c).Open(v, new(Scratch)); ok {
		t.Error("a retired key opened a cookie")
	}
}

func TestParseKeysErrors(t *testing.T) {
	secret := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 31))
	good := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	f := func(file, want string) {
		t.Helper()
		k, err := ParseKeys([]byte(file))
		if err == nil || !strings.Contains(err.Error(), want) || k != nil {
			t.Errorf("%q: %v, want %q", file, err, want)
		}
		if err != nil && strings.Contains(err.Error(), secret[:8]) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
	f("", "no key")
	f("# only a comment\n", "no key")
	f(secret+"\n", "line 1: expected a key of 32 bytes")
	f(good+"\n\nnonsense\n", "line 3")
	f(good+"\n"+good+"\n", "line 2: the same key")
	many := ""
	for i := range maxKeys + 1 {
		many += base64.StdEncoding.EncodeToString(append(bytes.Repeat([]byte{1}, 31), byte(i))) + "\n"
	}
	f(many, "more than 64")
}

func TestFresh(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		age  time.Duration
		want bool
	}{
		{0, true}, {day - time.Second, true}, {day, false}, {1000 * day, false},
		{-5 * time.Minute, true}, {-5*time.Minute - time.Second, false},
	} {
		if got := token.Fresh(token.Issued+int64(tt.age/time.Second), day); got != tt.want {
			t.Errorf("age %v: %v, want %v", tt.age, got, tt.want)
		}
	}
}

func TestID(t *testing.T) {
	if ID("a", "bc") == ID("ab", "c") || ID("a") == ID("a", "") {
		t.Error("parts run into each other")
	}
	// A cookie must mean the same in the next version of the program.
	if got := ID("web", "10.0.0.1:80"); got != 0x157f4a92cbbde1fd {
		t.Errorf("got %#x: the hash has changed, and all cookies are lost", got)
	}
}

func TestCookies(t *testing.T) {
	f := func(field, want string) {
		t.Helper()
		var got []string
		Cookies([]byte(field), func(n, v []byte) bool {
			got = append(got, string(n)+"="+string(v))
			return string(n) != "stop"
		})
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("%q: %s, want %s", field, s, want)
		}
	}
	f("", "")
	f("a=1", "a=1")
	f("a=1; b=2;c=3", "a=1|b=2|c=3")
	f(" a = 1 ;\tb=\t2", "a=1|b=2")
	f("a; =x; b=; c=1=2", "b=|c=1=2")
	f(`a="x y"; ;;b=1;`, `a="x y"|b=1`)
	f("a=1; stop=1; b=2", "a=1|stop=1")
}

func TestSets(t *testing.T) {
	for field, want := range map[string]bool{
		"app=1": true, " app = 1; Path=/": true, "app=; Max-Age=0": false, "app": false, "": false,
		"application=1": false, "APP=1": false, "x=1; app=1": false, "app= ;x": false,
	} {
		if got := Sets([]byte(field), "app"); got != want {
			t.Errorf("%q: %v", field, got)
		}
	}
}

func TestIssuer(t *testing.T) {
	k := NewKeys()
	const now = 1_700_000_000
	f := func(kind Kind, want string) {
		t.Helper()
		i := NewIssuer(k, Token{Kind: kind, Scope: 1, Key: 2})
		lines := string(i.Lines(now))
		value := lines[strings.Index(lines, "=")+1 : strings.Index(lines, ";")]
		if got := strings.ReplaceAll(lines, value, "V"); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		if tok, ok := k.Open([]byte(value), new(Scratch)); !ok || tok != (Token{kind, 1, 2, now}) {
			t.Errorf("the cookie says %+v %v", tok, ok)
		}
		if string(i.Lines(now)) != lines {
			t.Error("made anew within the same second")
		}
		if string(i.Lines(now+1)) == lines {
			t.Error("not refreshed in the next second")
		}
	}
	const end = "; Expires=Tue, 21 Nov 2023 22:13:20 GMT; Path=/"
	f(Target, "Set-Cookie: AWSALB=V"+end+"\r\nSet-Cookie: AWSALBCORS=V"+end+"; SameSite=None; Secure\r\n")
	f(Group, "Set-Cookie: AWSALBTG=V"+end+"\r\nSet-Cookie: AWSALBTGCORS=V"+end+"; SameSite=None; Secure\r\n")
	f(Application, "Set-Cookie: AWSALBAPP-0=V"+end+"\r\n")
}

func TestNoAllocations(t *testing.T) {
	k := NewKeys()
	v := []byte(k.Seal(token))
	i := NewIssuer(k, token)
	var room Scratch
	field := []byte("session=abc; AWSALB=" + string(v))
	i.Lines(1)
	if n := testing.AllocsPerRun(1000, func() {
		Cookies(field, func(name, value []byte) bool {
			if string(name) == TargetCookie {
				k.Open(value, &room)
			}
			return true
		})
		i.Lines(1)
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// Nothing that a client sends does more than not to be a cookie, and what opens is
// what was sealed.
func FuzzOpen(f *testing.F) {
	k := NewKeys()
	f.Add([]byte(k.Seal(token)))
	f.Add([]byte(""))
	f.Add([]byte("AWSALB=x; AWSALBCORS=\"y\";;=;"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, ok := k.Open(b, new(Scratch)); ok && got != token {
			t.Errorf("%q opened as %+v", b, got)
		}
		n := 0
		Cookies(b, func(name, value []byte) bool {
			n += len(name) + len(value)
			if bytes.ContainsAny(name, ";=") || bytes.ContainsAny(value, ";") {
				t.Errorf("%q: %q=%q", b, name, value)
			}
			return true
		})
		if n > len(b) {
			t.Errorf("%q: %d bytes of names and values", b, n)
		}
		Sets(b, "app")
	})
}

func BenchmarkOpen(b *testing.B) {
	k := NewKeys()
	v := []byte(k.Seal(token))
	b.ReportAllocs()
	var room Scratch
	for b.Loop() {
		k.Open(v, &room)
	}
}

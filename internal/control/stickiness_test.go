package control

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/elbow-lb/elbow/balancer/sticky"
)

// sticking is a configuration with stickiness; head goes before it.
func sticking(l *lab, head string) string {
	return head + l.listener("{type: forward, target_group: web}") + `
  - {name: web, port: 80, attributes: {stickiness.enabled: true}, targets: [{id: 127.0.0.1, port: 1}, {id: 127.0.0.2, port: 1}]}
`
}

// cookie is one that the controller gives for its first target.
func (l *lab) cookie() string {
	lines := string(l.live.Load().Groups[0].Targets[0].Cookie.Lines(1_700_000_000))
	_, rest, _ := strings.Cut(lines, "=")
	value, _, _ := strings.Cut(rest, ";")
	return value
}

// honours tells whether a cookie leads the controller to its first target.
func (l *lab) honours(cookie string) bool {
	g := l.live.Load().Groups[0]
	key, ok := g.Stickiness.Read([]byte(cookie), 1_700_000_000, new(sticky.Scratch))
	return ok && g.Stuck(key) == g.Targets[0]
}

// A key file that does not exist is made; who has it honours the cookies of who
// else has it.
func TestStickinessKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sticky.keys")
	head := "stickiness: {key_file: " + path + "}\n"
	a := newLab(t, Options{})
	a.must(sticking(a, head))
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Fatalf("the key file is %v, %v, want mode 0600", info, err)
	}
	b := newLab(t, Options{})
	b.must(sticking(b, head))
	if !b.honours(a.cookie()) || !a.honours(b.cookie()) {
		t.Error("two nodes with one key file do not honour each other's cookies")
	}

	// Rotation: reloading is enough, though the configuration is the same.
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before := a.cookie()
	if err := os.WriteFile(path, append(sticky.GenerateFile(), old...), 0o600); err != nil {
		t.Fatal(err)
	}
	a.must(sticking(a, head))
	if !a.honours(before) {
		t.Error("a rotated key does not open what it sealed")
	}
	if b.honours(a.cookie()) {
		t.Error("the new key does not seal")
	}

	// What cannot be used changes nothing, and is not shown.
	for content, want := range map[string]string{
		"c2VjcmV0Cg==\n":               "line 1: expected a key of 32 bytes",
		strings.Repeat("# x\n", 20000): "larger than 65536 bytes",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := a.reload(sticking(a, head)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "c2Vjc") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := a.reload(sticking(a, head)); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key file that all may read: %v", err)
	}
	if !a.honours(before) {
		t.Error("a key file that was refused has changed the keys")
	}
}

// Without key_file the state directory has the keys, and without that memory.
func TestStickinessKeysWithoutFile(t *testing.T) {
	dir := t.TempDir()
	a := newLab(t, Options{StateDirectory: dir})
	a.must(sticking(a, ""))
	b := newLab(t, Options{StateDirectory: dir})
	b.must(sticking(b, ""))
	if !b.honours(a.cookie()) {
		t.Error("a restart with the same state directory forgets")
	}

	core, logs := observer.New(zap.WarnLevel)
	c := newLab(t, Options{Log: zap.New(core)})
	c.must(sticking(c, ""))
	before := c.cookie()
	c.must(sticking(c, "log: {level: info}\n"))
	if !c.honours(before) {
		t.Error("a reload forgets the key in memory")
	}
	if n := logs.FilterMessageSnippet("key in memory").Len(); n != 1 {
		t.Errorf("%d warnings of a key in memory, want 1", n)
	}
	if a.honours(before) {
		t.Error("two keys in memory are the same")
	}
}

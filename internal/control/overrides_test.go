package control

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// refOf names a target of the group web.
func refOf(addr string) TargetRef {
	host, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port)
	return TargetRef{TargetGroup: "web", ID: host, Port: uint16(n)}
}

// What was done with targets outlives the process, where it can be kept.
func TestOverridesOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	a, b, more := newTarget(t, "a", "127.0.0.1:0"), newTarget(t, "b", "127.0.0.1:0"), newTarget(t, "c", "127.0.0.1:0")
	l := newLab(t, Options{StateDirectory: dir})
	text := l.forward(a.addr, b.addr)
	l.must(text)
	for action, addr := range map[TargetAction]string{DrainTarget: a.addr, RegisterTarget: more.addr} {
		if _, err := l.OverrideTarget(t.Context(), action, refOf(addr)); err != nil {
			t.Fatal(err)
		}
	}
	l.settle()
	before := l.Overrides()
	if len(before.Targets) != 2 || before.File != filepath.Join(dir, stateFile) {
		t.Fatalf("%+v", before)
	}
	l.Close()
	if info, err := os.Stat(before.File); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}

	l = newLab(t, Options{StateDirectory: dir})
	l.must(strings.Replace(text, "version: 1", "version: 1 # again", 1))
	if s := l.state(); s[a.addr] != "draining" || s[b.addr] != "healthy" || s[more.addr] != "healthy" || len(s) != 3 {
		t.Errorf("%v", s)
	}
	after := l.Overrides()
	if !slices.EqualFunc(before.Targets, after.Targets, func(x, y TargetOverride) bool {
		return x.Action == y.Action && x.TargetRef == y.TargetRef && x.Since.Equal(y.Since)
	}) {
		t.Errorf("%+v became %+v", before, after)
	}
	if _, err := l.ClearOverrides(t.Context(), TargetRef{}); err != nil {
		t.Fatal(err)
	}
	l.settle()
	if s := l.state(); s[a.addr] != "healthy" || s[more.addr] != "draining" {
		t.Errorf("after all were cleared: %v", s)
	}
}

// A state file that is not understood keeps the process from starting, since
// targets that were taken out would come back.
func TestStateFileNotUnderstood(t *testing.T) {
	for _, text := range []string{"", "{", `{"version": 2}`, `{"version": 1, "targets": 3}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{StateDirectory: dir}); err == nil || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What cannot be kept is not done.
func TestOverrideNotKept(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	l := newLab(t, Options{StateDirectory: filepath.Join(t.TempDir(), "none")})
	l.must(l.forward(a.addr))
	if _, err := l.OverrideTarget(t.Context(), DrainTarget, refOf(a.addr)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if s := l.state(); s[a.addr] != "healthy" || len(l.Overrides().Targets) > 0 {
		t.Errorf("%v", s)
	}
}

// Without a port all targets with the id are meant.
func TestOverrideWithoutPort(t *testing.T) {
	a, b := newTarget(t, "a", "127.0.0.1:0"), newTarget(t, "b", "127.0.0.1:0")
	l := newLab(t, Options{})
	if _, err := l.OverrideTarget(t.Context(), DrainTarget, refOf(a.addr)); err == nil {
		t.Error("accepted without a configuration")
	}
	l.must(l.forward(a.addr, b.addr))
	all := TargetRef{TargetGroup: "web", ID: "127.0.0.1"}
	f := func(action TargetAction, ref TargetRef, overrides int, state string) {
		t.Helper()
		o, err := l.OverrideTarget(t.Context(), action, ref)
		l.settle()
		if err != nil || len(o.Targets) != overrides {
			t.Errorf("%s %+v: %+v, %v; want %d overrides", action, ref, o, err, overrides)
		}
		if s := l.state(); s[a.addr] != state || s[b.addr] != state {
			t.Errorf("%s %+v: %v, want %s", action, ref, s, state)
		}
	}
	f(DrainTarget, all, 2, "draining")
	f(DrainTarget, all, 2, "draining") // nothing new
	f(DeregisterTarget, all, 2, "draining")
	f(RegisterTarget, all, 0, "healthy")
	f(RegisterTarget, refOf(a.addr), 0, "healthy")
	for _, ref := range []TargetRef{
		{TargetGroup: "web", ID: "127.0.0.1:80"}, {TargetGroup: "web", ID: "127.0.0.9"}, {TargetGroup: "web", ID: "10.0.0.1", Port: 80},
		{TargetGroup: "other", ID: "127.0.0.1"}, {TargetGroup: "web", ID: ""},
	} {
		var refused *OverrideError
		if _, err := l.OverrideTarget(t.Context(), DeregisterTarget, ref); !errors.As(err, &refused) {
			t.Errorf("%+v: %v", ref, err)
		}
	}
	if _, err := l.OverrideTarget(t.Context(), RegisterTarget, TargetRef{TargetGroup: "web", ID: "127.0.0.1", Zone: "x"}); err == nil {
		t.Error("a zone that does not exist is accepted")
	}
}

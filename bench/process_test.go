package main

import (
	"context"
	"io"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A stopped process is reaped, and what it forked is gone with it, even where
// neither obeys SIGTERM.
func TestStopEndsTheGroup(t *testing.T) {
	pin(t)
	p, err := start(launch{name: "sh", argv: []string{"sh", "-c", `trap "" TERM; sleep 600 & echo up; wait; wait`}, cpus: cpus(t), dialogue: true})
	if err != nil {
		t.Fatal(err)
	}
	if line, err := p.expect(t.Context(), 10*time.Second); err != nil || line != "up" {
		t.Fatalf("said %q, %v", line, err)
	}
	if members, err := groupMembers(p.pid); err != nil || len(members) < 2 {
		t.Fatalf("group %v, %v; want the shell and its child", members, err)
	}
	p.stop()
	if !p.exited() {
		t.Error("not reaped")
	}
	p.stop() // does nothing
	// Each of them held the pipe; it ends with the last.
	if rest, err := io.ReadAll(p.out); err != nil || len(rest) > 0 {
		t.Errorf("then said %q, %v", rest, err)
	}
}

func TestDialogue(t *testing.T) {
	pin(t)
	p, err := start(launch{name: "cat", argv: []string{"cat"}, cpus: cpus(t), dialogue: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	if err := p.say("hello"); err != nil {
		t.Fatal(err)
	}
	if line, err := p.expect(t.Context(), 10*time.Second); err != nil || line != "hello" {
		t.Errorf("said %q, %v", line, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.expect(ctx, time.Hour); err == nil {
		t.Error("a cancelled wait gave an answer")
	}
}

func TestOutputIsAppended(t *testing.T) {
	pin(t)
	path := filepath.Join(t.TempDir(), "log")
	for _, word := range []string{"one", "two"} {
		p, err := start(launch{name: "echo", argv: []string{"echo", word}, cpus: cpus(t), stdout: path})
		if err != nil {
			t.Fatal(err)
		}
		<-p.done
		p.stop()
	}
	if got := tail(path); got != "one\ntwo" {
		t.Errorf("log holds %q", got)
	}
	if n, err := countLines(path); err != nil || n != 2 {
		t.Errorf("%d lines, %v", n, err)
	}
	if _, err := start(launch{name: "nothing", argv: []string{"/nonexistent/program"}, cpus: cpus(t)}); err == nil {
		t.Error("a missing program was started")
	}
}

// pin keeps the test on one thread: a child is killed when the thread that
// started it ends.
func pin(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
}

func cpus(t *testing.T) cpuSet {
	t.Helper()
	set, err := onlineCPUs()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

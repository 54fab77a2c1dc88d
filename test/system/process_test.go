package system

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// process is a child with everything that it forks: they are one process group.
// It is gone, and reaped, at the end of its test.
type process struct {
	name   string
	cmd    *exec.Cmd
	ending syscall.Signal // ends it, with all that it forked
	output output         // stdout and stderr
	done   chan struct{}  // closed when it was reaped
}

// forks runs functions on one thread that lives as long as this process: the
// kernel sends Pdeathsig when the thread that forked ends.
var forks = func() chan<- func() {
	c := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range c {
			f()
		}
	}()
	return c
}()

// spawn starts cmd, which ending ends: at the end of the test, or should the
// tests die before. nginx needs SIGTERM there, so that its master takes the
// workers along and reaps them.
func spawn(t testing.TB, name string, cmd *exec.Cmd, ending syscall.Signal) *process {
	t.Helper()
	p := &process{name: name, cmd: cmd, ending: ending, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: ending}
	cmd.WaitDelay = time.Second // for what holds the pipes open although its parent is gone
	started := make(chan error)
	forks <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.output.tail(4<<10))
		}
	})
	return p
}

// signal sends s to the process, not to those that it forked.
func (p *process) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("%v to %s: %v", s, p.name, err)
	}
}

// end ends the process and waits until it is reaped.
func (p *process) end() {
	if p.ending != syscall.SIGKILL && p.running() {
		_ = p.cmd.Process.Signal(p.ending) // it may have ended just now
		select {
		case <-p.done:
		case <-time.After(grace):
		}
	}
	p.kill()
}

// grace is how long a process may take to end by itself.
const grace = 5 * time.Second

// kill kills the process with all that it forked and waits until it is reaped.
func (p *process) kill() {
	_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL) // the group may be gone
	<-p.done
}

// exit waits for the process to end by itself and returns its exit code.
func (p *process) exit(t testing.TB) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%s has not ended within %v", p.name, patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// announced waits until the process printed what matches and returns the
// submatches; nil if it ended before.
func (p *process) announced(t testing.TB, re *regexp.Regexp) [][]byte {
	t.Helper()
	var m [][]byte
	eventually(t, p.name+" prints "+re.String(), func() bool {
		alive := p.running()
		m = p.output.find(re)
		return m != nil || !alive
	})
	return m
}

// output collects what a process prints.
type output struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) find(re *regexp.Regexp) [][]byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := re.FindSubmatch(o.b.Bytes())
	for i := range m {
		m[i] = bytes.Clone(m[i])
	}
	return m
}

func (o *output) contains(s string) bool { return o.count(s) > 0 }

func (o *output) count(s string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Count(o.b.Bytes(), []byte(s))
}

// tail returns the last n bytes.
func (o *output) tail(n int) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.b.Bytes()
	return bytes.Clone(b[max(0, len(b)-n):])
}

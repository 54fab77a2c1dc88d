package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// How long a process may take to go away by itself before it is killed.
const stopGrace = 3 * time.Second

// process is a started child and everything it forks: they share a process
// group, whose number is the child's.
type process struct {
	name string
	pid  int
	// in and out are the child's standard input and output where the launch
	// asked for a dialogue; else nil.
	in  io.WriteCloser
	out *bufio.Reader
	// done is closed when the child has been reaped; err is valid after that.
	done chan struct{}
	err  error

	stopped bool
}

// launch says how to start a process.
type launch struct {
	name string
	argv []string
	env  []string // added to our own environment
	cpus cpuSet
	// dialogue connects in and out of the process. Without it standard output
	// is appended to stdout, or dropped when that is empty.
	dialogue bool
	stdout   string
	stderr   string // file appended to; dropped when empty
	// orphaned is the signal the child gets should we die without stopping it.
	// nginx needs SIGTERM, so that its master takes the workers along.
	orphaned syscall.Signal
}

// start runs the launch on its processors. It must be called on the main
// goroutine: see init.
func start(l launch) (*process, error) {
	cmd := exec.Command(l.argv[0], l.argv[1:]...)
	cmd.Env = append(os.Environ(), l.env...)
	if l.orphaned == 0 {
		l.orphaned = unix.SIGKILL
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: l.orphaned}
	p := &process{name: l.name, done: make(chan struct{})}
	if l.dialogue {
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		p.in, p.out = in, bufio.NewReader(out)
	} else if l.stdout != "" {
		f, err := appendTo(l.stdout)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		cmd.Stdout = f
	}
	if l.stderr != "" {
		f, err := appendTo(l.stderr)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		cmd.Stderr = f
	}
	if err := startOn(cmd, l.cpus); err != nil {
		return nil, fmt.Errorf("start %s: %w", l.name, err)
	}
	p.pid = cmd.Process.Pid
	go p.reap(cmd)
	return p, nil
}

// startOn starts cmd with the affinity it shall have from its first
// instruction: Go and HAProxy count processors when they start.
func startOn(cmd *exec.Cmd, cpus cpuSet) error {
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, cpus.mask()); err != nil {
		return fmt.Errorf("processors %s: %w", cpus, err)
	}
	err := cmd.Start()
	return errors.Join(err, unix.SchedSetaffinity(0, &before))
}

func (p *process) reap(cmd *exec.Cmd) {
	if p.out == nil {
		p.err = cmd.Wait()
	} else {
		// cmd.Wait would close the pipe under a reader that has not yet taken
		// the last line.
		state, err := cmd.Process.Wait()
		if err == nil && !state.Success() {
			err = &exec.ExitError{ProcessState: state}
		}
		p.err = err
	}
	close(p.done)
}

// exited reports whether the child is gone.
func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop ends the process group and returns when the child is reaped. A second
// call does nothing.
func (p *process) stop() {
	if p == nil || p.stopped {
		return
	}
	p.stopped = true
	if p.in != nil {
		p.in.Close()
	}
	// The group may outlive its leader for a moment (nginx workers), so it is
	// signalled even when the child has already gone.
	_ = unix.Kill(-p.pid, unix.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopGrace):
	}
	_ = unix.Kill(-p.pid, unix.SIGKILL)
	<-p.done
}

// expect reads one line of a dialogue. It gives up when the context ends, when
// the limit has passed or when the child has gone.
func (p *process) expect(ctx context.Context, limit time.Duration) (string, error) {
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := p.out.ReadString('\n')
		got <- answer{strings.TrimSpace(line), err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case a := <-got:
		if a.err != nil {
			return "", fmt.Errorf("%s ended early: %w", p.name, a.err)
		}
		return a.line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	case <-timer.C:
		return "", fmt.Errorf("%s said nothing within %v", p.name, limit)
	}
}

// say sends one line of a dialogue.
func (p *process) say(line string) error {
	_, err := io.WriteString(p.in, line+"\n")
	return err
}

// sleep waits for d or for the context, whichever ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func appendTo(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
}

// tail is the end of a log file, for the error that follows a failed start.
func tail(path string) string {
	const most = 2000
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(text) > most {
		text = text[len(text)-most:]
	}
	return strings.TrimSpace(string(text))
}

// raiseFileLimit lifts our own limit on open files, and that of the children
// started later, to what the system allows.
func raiseFileLimit() error {
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return fmt.Errorf("getrlimit: %w", err)
	}
	lim.Cur = lim.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		return fmt.Errorf("setrlimit: %w", err)
	}
	return nil
}

// fileLimit is how many files a child may have open. Nothing here needs more
// than the cap, and the peers size tables by it.
func fileLimit() int {
	const most = 65536
	var lim syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim) != nil || lim.Cur > most {
		return most
	}
	return int(lim.Cur)
}

package accesslog

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Stdout is the value of Options.Path that means standard output.
const Stdout = "stdout"

const (
	// pipeChunk is the largest write that the kernel keeps in one piece among
	// several writers of a pipe (PIPE_BUF on Linux; POSIX allows less but no
	// system that we run on has it). Standard output is often shared, with the
	// program's own log or with another process.
	pipeChunk = 4096

	// writeWait bounds how long the writer waits for a pipe or a socket to
	// take more, in milliseconds.
	writeWait = 250
)

// output is where lines go. It does system calls itself rather than through
// os.File, for two reasons: a broken standard output must give an error and not
// the SIGPIPE that os raises for descriptors 1 and 2, and a pipe that nobody
// reads must not hold the writer for ever, even when it is in blocking mode
// because it is shared with other processes.
type output struct {
	path    string
	fd      int
	regular bool
}

// openOutput opens the path for appending.
func openOutput(path string) (*output, error) {
	fail := func(err error) (*output, error) {
		return nil, fmt.Errorf("open access log %s: %w", path, err)
	}
	var fd int
	var err error
	if path == Stdout {
		fd, err = unix.FcntlInt(uintptr(unix.Stdout), unix.F_DUPFD_CLOEXEC, 3)
	} else {
		// O_NONBLOCK does nothing to a regular file; a named pipe without a
		// reader then fails (ENXIO) instead of waiting for one.
		const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY
		fd, err = retry(func() (int, error) { return unix.Open(path, flags, 0o640) })
	}
	if err != nil {
		return fail(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return fail(err)
	}
	return &output{path: path, fd: fd, regular: st.Mode&unix.S_IFMT == unix.S_IFREG}, nil
}

// write writes b and returns how much of it. It fails with
// os.ErrDeadlineExceeded when a pipe takes nothing for some time.
func (o *output) write(b []byte) (n int, err error) {
	for busy := 0; n < len(b); {
		chunk := b[n:]
		if !o.regular {
			chunk = chunk[:wholeLines(chunk, pipeChunk)]
			if err := o.wait(); err != nil {
				return n, o.wrap(err)
			}
		}
		m, err := retry(func() (int, error) { return unix.Write(o.fd, chunk) })
		n += max(m, 0)
		if err == unix.EAGAIN {
			// Another writer of the pipe was faster. Not for ever, though.
			if busy++; busy < 100 {
				continue
			}
			err = os.ErrDeadlineExceeded
		}
		if err != nil {
			return n, o.wrap(err)
		}
	}
	return n, nil
}

// wait waits until a pipe or a socket takes a write without blocking.
func (o *output) wait() error {
	fds := []unix.PollFd{{Fd: int32(o.fd), Events: unix.POLLOUT}}
	ready, err := retry(func() (int, error) { return unix.Poll(fds, writeWait) })
	if err != nil {
		return err
	}
	if ready == 0 {
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (o *output) wrap(err error) error {
	return fmt.Errorf("write access log %s: %w", o.path, err)
}

func (o *output) close() { unix.Close(o.fd) }

// wholeLines returns the length of as many whole lines at the start of b as fit
// into limit, of the first line when it alone is longer, or of b.
func wholeLines(b []byte, limit int) int {
	if len(b) <= limit {
		return len(b)
	}
	if i := lastNewline(b[:limit]); i >= 0 {
		return i + 1
	}
	if i := firstNewline(b); i >= 0 {
		return i + 1
	}
	return len(b)
}

// retry repeats a system call that a signal interrupted.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

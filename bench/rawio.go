package main

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The target and the load generators each are one thread that does nothing but
// a system call after the other. They make those calls past Go's scheduler
// (RawSyscall), which saves waking it around each of them. That is safe only
// because nothing else runs in these processes: one goroutine, and no garbage
// collector, which a thread blocked in a raw call would stop for ever.

// dedicate turns the process into such a single thread. What is allocated
// after this is never freed.
func dedicate() {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	// Wake at the nanosecond asked for, not up to 50 µs later.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
}

// rawEnv keeps Go's monitor thread from interrupting the raw calls.
var rawEnv = []string{"GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=1"}

func rawRead(fd int, b []byte) (int, unix.Errno) {
	n, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), e
}

func rawWrite(fd int, b []byte) (int, unix.Errno) {
	n, _, e := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), e
}

// rawEpollWait waits for events at most ns nanoseconds, for ever when negative.
func rawEpollWait(ep int, events []unix.EpollEvent, ns int64) (int, unix.Errno) {
	ts := unix.NsecToTimespec(ns)
	p := &ts
	if ns < 0 {
		p = nil
	}
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(ep), uintptr(unsafe.Pointer(unsafe.SliceData(events))),
		uintptr(len(events)), uintptr(unsafe.Pointer(p)), 0, 0)
	return int(n), e
}

// dial opens a blocking connection to a port of this host. Closing it resets
// it: thousands of connections in TIME_WAIT would eat the port range.
func dial(port int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	sa := &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
	for {
		err = unix.Connect(fd, sa)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		err = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	if err == nil {
		// No answer within this time is an answer too.
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("connect to port %d: %w", port, err)
	}
	return fd, nil
}

// ask sends one request on a blocking connection and reads the whole answer.
func ask(fd int, request, buf []byte) error {
	if n, e := rawWrite(fd, request); e != 0 || n != len(request) {
		return fmt.Errorf("write: %d bytes, %w", n, e)
	}
	var a answer
	for got := 0; ; {
		n, e := rawRead(fd, buf[got:])
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return fmt.Errorf("read: %w", e)
		}
		if n == 0 {
			return errors.New("closed before the answer was complete")
		}
		got += n
		done, err := a.parse(buf[:got])
		if err != nil {
			return err
		}
		if done {
			return nil
		}
		if got == len(buf) {
			return fmt.Errorf("answer longer than %d bytes", len(buf))
		}
	}
}

// answer recognises the end of a small HTTP/1 response that has a
// Content-Length, which is all that the target sends.
type answer struct {
	length int // head and body; 0 while the head is incomplete
}

var (
	headEnd   = []byte("\r\n\r\n")
	statusOK  = []byte("HTTP/1.1 200")
	lengthKey = []byte("content-length:")
)

// parse looks at all bytes of the response so far. It is an error when the
// status is not 200 or more than one response is there.
func (a *answer) parse(b []byte) (done bool, err error) {
	if a.length == 0 {
		end := bytes.Index(b, headEnd)
		if end < 0 {
			return false, nil
		}
		if !bytes.HasPrefix(b, statusOK) {
			line, _, _ := bytes.Cut(b, []byte("\r\n"))
			return false, fmt.Errorf("answer %q, want status 200", line)
		}
		n, ok := contentLength(b[:end+2])
		if !ok {
			return false, errors.New("answer without Content-Length")
		}
		a.length = end + len(headEnd) + n
	}
	if len(b) > a.length {
		return false, fmt.Errorf("%d bytes beyond the answer", len(b)-a.length)
	}
	return len(b) == a.length, nil
}

// contentLength finds the field in a head, whose lines all end in CRLF.
func contentLength(head []byte) (int, bool) {
	for {
		eol := bytes.IndexByte(head, '\n')
		if eol < 0 {
			return 0, false
		}
		head = head[eol+1:]
		if len(head) < len(lengthKey) || !bytes.EqualFold(head[:len(lengthKey)], lengthKey) {
			continue
		}
		value, _, _ := bytes.Cut(head[len(lengthKey):], []byte("\r\n"))
		n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
		return n, err == nil && n >= 0
	}
}

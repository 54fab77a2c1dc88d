package netio

import (
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pipeSize is what a splice pipe holds: as much as an unprivileged process may
// ask for. A user may have 64 MiB of pipes in all (fs.pipe-user-pages-soft);
// whoever has more gets pipes of two pages, or less than was asked for. With
// less than minPipe, copying is cheaper. maxIdlePipes bounds the pipes kept.
const (
	pipeSize     = 512 << 10
	minPipe      = 64 << 10
	maxIdlePipes = 16
)

// pipe carries spliced bytes in the kernel. It is empty between uses.
type pipe struct{ r, w, size int }

// pipes are an engine's idle pipes.
type pipes struct {
	budget *budget

	mu   sync.Mutex // leaf lock
	idle []*pipe
}

// get returns an empty pipe; nil when there is none worth having.
func (s *pipes) get() *pipe {
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		p := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return p
	}
	s.mu.Unlock()
	var fd [2]int
	if unix.Pipe2(fd[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return nil
	}
	if s.budget.beyond(max(fd[0], fd[1])) {
		unix.Close(min(fd[0], fd[1]))
		return nil
	}
	p := &pipe{r: fd[0], w: fd[1]}
	var err error
	if p.size, err = unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, pipeSize); err != nil {
		p.size, _ = unix.FcntlInt(uintptr(p.w), unix.F_GETPIPE_SZ, 0)
	}
	if p.size < minPipe {
		p.close()
		return nil
	}
	return p
}

// put takes p back: for the next splice if it is empty.
func (s *pipes) put(p *pipe, held int) {
	if held == 0 {
		s.mu.Lock()
		if len(s.idle) < maxIdlePipes {
			s.idle = append(s.idle, p)
			p = nil
		}
		s.mu.Unlock()
	}
	if p != nil {
		p.close()
	}
}

func (s *pipes) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.idle {
		p.close()
	}
	s.idle = nil
}

func (p *pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}

// Splice moves exactly n bytes from src to dst inside the kernel. It returns
// how many reached dst, and on failure which side failed: a read-side EOF means
// that src ended early. What src sent before it failed still reaches dst. Each
// wait for src may take timeout, and dst takes what it gets at pace. It returns
// Again, with what was moved so far, when dst becomes readable or hangs up while
// src has nothing. ok is false, with nothing moved, when there is no pipe to be
// had: copy instead.
func (w *Worker) Splice(dst, src *Conn, n int64, timeout time.Duration, pace *Pace) (moved int64, s Status, readSide, ok bool) {
	pipes := &w.loop.engine.pipes
	p := pipes.get()
	if p == nil {
		return 0, OK, false, false
	}
	held := 0 // bytes in the pipe
	end := OK // why nothing more is read
	defer func() { pipes.put(p, held) }()
	defer dst.Disarm()
	for moved < n && (end == OK || held > 0) {
		if src.aborted() || dst.aborted() {
			return moved, Reset, src.aborted(), true
		}
		// Filling the pipe to the brim before it is emptied makes longer
		// writes; what it holds is counted in pages, so it may be full sooner.
		want := min(n-moved-int64(held), int64(p.size-held))
		if end == OK && want > 0 && held < p.size/2 {
			var k int
			if k, end = src.spliceIn(p, int(want)); end == Again {
				end = OK
				if held == 0 { // so it is not the pipe that is full
					src.SetDeadline(w.Now, timeout)
					dst.SetDeadline(w.Now, 0)
					ready, expired := w.WaitAny(Want{Conn: src}, Want{Conn: dst})
					if ready&2 != 0 {
						dst.unread = true // for whoever looks at it next
					}
					switch {
					case ready&1 != 0:
					case expired&1 != 0:
						end = TimedOut
					case ready&2 != 0 && !dst.aborted():
						return moved, Again, false, true
					}
				}
			}
			held += k
		}
		if held == 0 {
			continue
		}
		k, e := sysSplice(p.r, int(dst.fd), held)
		switch e {
		case 0:
			held -= k
			moved += int64(k)
			w.Spend(k)
		case syscall.EAGAIN:
			if dst.w.CompareAndSwap(nil, stArmed) {
				continue // armed: try once more before sleeping
			}
			if !w.waitTaken(dst, 0, pace) {
				return moved, TimedOut, false, true
			}
		default:
			return moved, Reset, false, true
		}
	}
	if end == OK {
		src.unread = true // nobody has seen the end of what src sent
	}
	return moved, end, end != OK, true
}

// spliceIn moves up to n bytes from c into p; Again when c has none, or p is
// full.
func (c *Conn) spliceIn(p *pipe, n int) (int, Status) {
	c.consume()
	c.unread = false
	k, e := sysSplice(int(c.fd), p.w, n)
	switch {
	case e == 0 && k > 0:
		return k, OK
	case e == 0:
		return 0, EOF
	case e == syscall.EAGAIN:
		return 0, Again
	}
	return 0, Reset
}

func sysSplice(from, to, n int) (int, syscall.Errno) {
	const flags = unix.SPLICE_F_NONBLOCK | unix.SPLICE_F_MOVE
	for {
		k, _, e := syscall.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), flags)
		if e != syscall.EINTR {
			return int(k), e
		}
	}
}

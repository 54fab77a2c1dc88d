package netio

import (
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pipeSize is what a splice pipe holds: as much as an unprivileged process may
// ask for. maxIdlePipes bounds the pipes kept: fs.pipe-user-pages-soft lets an
// unprivileged user have 64 MiB of pipes in all.
const (
	pipeSize     = 512 << 10
	maxIdlePipes = 16
)

// pipe carries spliced bytes in the kernel. It is empty between uses.
type pipe struct{ r, w, size int }

var pipes struct {
	sync.Mutex
	idle []*pipe
}

func getPipe() *pipe {
	pipes.Lock()
	if n := len(pipes.idle); n > 0 {
		p := pipes.idle[n-1]
		pipes.idle = pipes.idle[:n-1]
		pipes.Unlock()
		return p
	}
	pipes.Unlock()
	var fd [2]int
	if unix.Pipe2(fd[:], unix.O_CLOEXEC|unix.O_NONBLOCK) != nil {
		return nil
	}
	n, err := unix.FcntlInt(uintptr(fd[0]), unix.F_SETPIPE_SZ, pipeSize)
	if err != nil {
		n = 64 << 10 // the default: over the user's soft limit
	}
	return &pipe{fd[0], fd[1], n}
}

func (p *pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}

// put keeps an empty pipe for the next splice.
func (p *pipe) put() {
	pipes.Lock()
	if len(pipes.idle) < maxIdlePipes {
		pipes.idle = append(pipes.idle, p)
		pipes.Unlock()
		return
	}
	pipes.Unlock()
	p.close()
}

// Splice moves exactly n bytes from src to dst inside the kernel. It returns
// how many reached dst, and on failure which side failed: a read-side EOF means
// that src ended early. ok is false, with nothing moved, when there is no pipe
// to be had: copy instead.
func (w *Worker) Splice(dst, src *Conn, n int64, timeout time.Duration) (moved int64, s Status, readSide, ok bool) {
	p := getPipe()
	if p == nil {
		return 0, OK, false, false
	}
	held := 0 // bytes in the pipe
	defer dst.Disarm()
	for moved < n {
		want := min(n-moved-int64(held), int64(p.size-held))
		if held == 0 || want > 0 && held < p.size/2 {
			k, e := sysSplice(int(src.fd), p.w, int(want))
			switch {
			case e == 0 && k > 0:
				held += k
			case e == 0:
				p.close()
				return moved, EOF, true, true
			case e == syscall.EAGAIN:
				if held == 0 {
					src.SetDeadline(w.Now, timeout)
					if !w.WaitRead(src) {
						p.put()
						return moved, TimedOut, true, true
					}
					continue
				}
			case e == syscall.EINTR:
			default:
				p.close()
				return moved, Reset, true, true
			}
		}
		if held == 0 {
			continue
		}
		k, e := sysSplice(p.r, int(dst.fd), held)
		if e == syscall.EAGAIN {
			if dst.w.CompareAndSwap(nil, stArmed) {
				continue // armed: try once more before sleeping
			}
			dst.SetDeadline(w.Now, timeout)
			if !w.waitWrite(dst) {
				p.close()
				return moved, TimedOut, false, true
			}
			continue
		}
		if e != 0 && e != syscall.EINTR {
			p.close()
			return moved, Reset, false, true
		}
		if e == 0 {
			held -= k
			moved += int64(k)
		}
	}
	p.put()
	return moved, OK, false, true
}

func sysSplice(from, to, n int) (int, syscall.Errno) {
	const flags = unix.SPLICE_F_NONBLOCK | unix.SPLICE_F_MOVE
	k, _, e := syscall.Syscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), flags)
	return int(k), e
}

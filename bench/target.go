package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"golang.org/x/sys/unix"
)

// Limits of the target.
const (
	maxRequestHead = 8 << 10
	maxBody        = 8 << 20
	maxSizes       = 64 // different body sizes kept ready
)

// targetReady is what the target says, in this format, when it listens: the
// ports of its two faces.
const targetReady = "ready %d %d"

// runTarget is the target behind every contestant: HTTP/1 with keep-alive and
// pipelining, one thread, one read and one write per request. It has to be far
// cheaper than any proxy, or its own cost would set the pace.
//
//	GET /any/path/N     answers N bytes
//	GET /…/echo-head    answers the request head as it came
//
// It listens on two ports. Answers from the second carry "X-Face: other", so
// that a check can tell which way a rule sent a request. Only GET is known, and
// a request body is not expected.
func runTarget(_ []string, _ io.Reader, out io.Writer) error {
	t := &target{sizes: [2]map[int][]byte{{}, {}}}
	var ports [2]int
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	t.ep = ep
	for i := range ports {
		if t.listeners[i], ports[i], err = listenAnywhere(); err != nil {
			return err
		}
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(t.listeners[i])}
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, t.listeners[i], &ev); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, targetReady+"\n", ports[0], ports[1])
	dedicate()
	return t.loop()
}

// listenAnywhere opens a non-blocking listener on a free loopback port.
func listenAnywhere() (fd, port int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, 0, err
	}
	err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if err == nil {
		err = unix.Listen(fd, 4096)
	}
	if err != nil {
		return -1, 0, errors.Join(err, unix.Close(fd))
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return -1, 0, err
	}
	return fd, sa.(*unix.SockaddrInet4).Port, nil
}

type target struct {
	ep        int
	listeners [2]int
	conns     []*targetConn        // by descriptor
	free      []*targetConn        // of closed connections
	sizes     [2]map[int][]byte    // face → body size → whole response
	scratch   [maxRequestHead]byte // echo-head's answer
	events    [256]unix.EpollEvent
}

// targetConn is one connection. It is registered once, edge-triggered.
type targetConn struct {
	fd   int
	face int
	in   [maxRequestHead]byte
	have int    // bytes in in, not yet answered
	out  []byte // rest of a response the socket had no room for
	more bool   // the socket may hold more than was read
}

func (t *target) loop() error {
	for {
		n, e := rawEpollWait(t.ep, t.events[:], -1)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return fmt.Errorf("epoll_pwait2: %w", e)
		}
		for i := range t.events[:n] {
			ev := &t.events[i]
			fd := int(ev.Fd)
			if fd == t.listeners[0] || fd == t.listeners[1] {
				if err := t.accept(fd); err != nil {
					return err
				}
				continue
			}
			c := t.conns[fd]
			if ev.Events&^unix.EPOLLOUT != 0 {
				c.more = true
			}
			hangup := ev.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
			if !t.serve(c, hangup) {
				t.close(c)
			}
		}
	}
}

func (t *target) accept(listener int) error {
	for {
		fd, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if errors.Is(err, unix.ECONNABORTED) || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return err
		}
		c := &targetConn{}
		if n := len(t.free); n > 0 {
			c, t.free = t.free[n-1], t.free[:n-1]
		}
		c.fd, c.have, c.out, c.more, c.face = fd, 0, nil, false, 0
		if listener == t.listeners[1] {
			c.face = 1
		}
		for len(t.conns) <= fd {
			t.conns = append(t.conns, nil)
		}
		t.conns[fd] = c
		ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(fd)}
		if err := unix.EpollCtl(t.ep, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
			return err
		}
	}
}

func (t *target) close(c *targetConn) {
	unix.Close(c.fd)
	t.conns[c.fd] = nil
	t.free = append(t.free, c)
}

// serve goes on with a connection until it would block. It reports whether the
// connection stays open.
func (t *target) serve(c *targetConn, hangup bool) bool {
	for {
		if len(c.out) > 0 && !t.send(c, c.out) {
			return false
		}
		for len(c.out) == 0 {
			head := bytes.Index(c.in[:c.have], headEnd)
			if head < 0 {
				break
			}
			head += len(headEnd)
			response, ok := t.respond(c.face, c.in[:head])
			if !t.send(c, response) || !ok {
				return false
			}
			c.have = copy(c.in[:], c.in[head:c.have])
		}
		if len(c.out) > 0 || !c.more {
			return true // an edge will call again
		}
		if c.have == len(c.in) {
			return false // head too long
		}
		n, e := rawRead(c.fd, c.in[c.have:])
		switch {
		case e == unix.EAGAIN:
			c.more = false
		case e == unix.EINTR:
		case e != 0 || n == 0:
			return false
		default:
			// A short read has drained the socket, but for a FIN behind it.
			c.more = hangup || c.have+n == len(c.in)
			c.have += n
		}
	}
}

// send writes a response and keeps in c.out what the socket did not take. Only
// the shared scratch buffer needs to be copied for that.
func (t *target) send(c *targetConn, b []byte) bool {
	n, e := rawWrite(c.fd, b)
	switch {
	case e == unix.EAGAIN || e == unix.EINTR:
		n = 0
	case e != 0:
		return false
	}
	c.out = b[n:]
	if len(c.out) > 0 && len(b) <= len(t.scratch) {
		c.out = bytes.Clone(c.out)
	}
	return true
}

// respond is the response to one request head; !ok means to close after it.
func (t *target) respond(face int, head []byte) (response []byte, ok bool) {
	line, isGet := bytes.CutPrefix(head, []byte("GET "))
	path, _, found := bytes.Cut(line, []byte(" "))
	if !isGet || !found {
		return []byte("HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), false
	}
	name := path[bytes.LastIndexByte(path, '/')+1:]
	if string(name) == "echo-head" {
		b := append(t.scratch[:0], "HTTP/1.1 200 OK\r\n"...)
		b = append(b, faceHeader[face]...)
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(head)), 10)
		b = append(b, headEnd...)
		return append(b, head...), true
	}
	size, err := atoi(name)
	if err != nil || size > maxBody {
		return notFound, true
	}
	if r := t.sizes[face][size]; r != nil {
		return r, true
	}
	if len(t.sizes[face]) == maxSizes {
		return notFound, true
	}
	r := makeResponse(face, size)
	t.sizes[face][size] = r
	return r, true
}

var (
	notFound   = []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	faceHeader = [2]string{"", "X-Face: other\r\n"}
)

// makeResponse builds a whole response with a recognisable body.
func makeResponse(face, size int) []byte {
	b := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nServer: target\r\nContent-Type: text/plain\r\n%sCache-Control: no-store\r\nContent-Length: %d\r\n\r\n",
		faceHeader[face], size)
	for i := range size {
		b = append(b, byte('a'+i%26))
	}
	return b
}

// atoi is strconv.Atoi for bytes and for non-negative numbers only, without
// the copy.
func atoi(b []byte) (int, error) {
	if len(b) == 0 || len(b) > 9 {
		return 0, strconv.ErrSyntax
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, strconv.ErrSyntax
		}
		n = n*10 + int(c-'0')
	}
	return n, nil
}

// freePort asks the kernel for a loopback port that nobody uses.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

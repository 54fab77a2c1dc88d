package lbtest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// target is a server of a script: a real one on loopback, which does what the
// script says and keeps what it received, byte for byte.
type target struct {
	run  *run
	name string
	addr netip.AddrPort
	port *reservation

	running sync.WaitGroup // its goroutines
	done    chan struct{}  // closed at the end of the script

	mu       sync.Mutex // guards the fields below
	listener net.Listener
	fillers  []int // sockets that fill the accept queue: see full
	secure   *tls.Config
	conns    map[*targetConn]bool
	accepted int
	requests []*request // those of clients; health checks are kept apart
	checks   []*request
	waited   int // how many requests the script has waited for
	replies  [][]step
	always   []step
	health   []step
	permits  int // releases that no hold has taken yet
	open     bool
	ended    bool
}

// request is one request that a target received.
type request struct {
	*message
	conn int // which connection of the target it came on, from 1
}

// targetConn is a connection to a target.
type targetConn struct {
	net.Conn
	raw   *net.TCPConn
	index int
	used  bool // it carried a request of a client
	idle  bool // between requests
	sent  atomic.Int64
}

// verbServers is "servers [-6] s1 s2 …": starts targets.
func (r *run) verbServers(args []string, _ bool) error {
	ip := netip.MustParseAddr("127.0.0.1")
	if len(args) > 0 && args[0] == "-6" {
		ip, args = netip.IPv6Loopback(), args[1:]
	}
	for _, name := range args {
		if r.targets[name] != nil || strings.HasPrefix(name, "port") || name == "dir" {
			return fmt.Errorf("the name %s is taken", name)
		}
		p, err := reserve(ip)
		if err != nil {
			return err
		}
		t := &target{run: r, name: name, port: p, addr: netip.AddrPortFrom(ip, p.port),
			done: make(chan struct{}), conns: map[*targetConn]bool{}}
		ok := &response{version: "HTTP/1.1", status: 200, reason: "OK", length: -1, body: []byte(name + "\n")}
		t.always = []step{{kind: stepBody}, {kind: stepRespond, resp: ok}}
		t.health = t.always
		r.ports["target "+name] = p
		r.targets[name] = t
		if err := t.start(); err != nil {
			return err
		}
	}
	return nil
}

// start begins to listen.
func (t *target) start() error {
	l, err := net.Listen("tcp", t.addr.String())
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listener = l
	t.running.Add(1)
	go t.accept(l)
	return nil
}

// accept takes connections until l is closed.
func (t *target) accept(l net.Listener) {
	defer t.running.Done()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		t.mu.Lock()
		if t.ended {
			t.mu.Unlock()
			c.Close()
			return
		}
		t.accepted++
		tc := &targetConn{Conn: c, raw: c.(*net.TCPConn), index: t.accepted, idle: true}
		if t.secure != nil {
			tc.Conn = tls.Server(c, t.secure)
		}
		t.conns[tc] = true
		t.running.Add(1)
		t.mu.Unlock()
		go t.serve(tc)
	}
}

// serve reads requests from a connection and replies to them.
func (t *target) serve(c *targetConn) {
	defer t.running.Done()
	defer func() {
		c.Close()
		t.mu.Lock()
		delete(t.conns, c)
		t.mu.Unlock()
		t.run.notify()
	}()
	r := bufio.NewReaderSize(c.Conn, 64<<10)
	for {
		req := &request{message: &message{}, conn: c.index}
		err := req.readHead(r)
		if err == io.EOF {
			return
		}
		if err != nil {
			if len(req.raw) > 0 {
				t.run.record(t.name, "conn %d: %v, after %s", c.index, err, brief(req.raw))
			}
			if errors.Is(err, errMalformed) {
				t.run.fail(fmt.Errorf("server %s received what is no request: %w", t.name, err))
			}
			return
		}
		steps := t.arrived(c, req)
		if !t.reply(c, r, req, steps) {
			return
		}
		t.mu.Lock()
		c.idle = true
		t.mu.Unlock()
	}
}

// arrived keeps a request whose head is there, and says how to reply to it.
func (t *target) arrived(c *targetConn, req *request) []step {
	check := strings.HasPrefix(strings.Join(req.get("User-Agent"), ""), "ELB-HealthChecker/")
	t.mu.Lock()
	c.idle = false
	var steps []step
	switch {
	case check:
		t.checks = append(t.checks, req)
		steps = t.health
	default:
		c.used = true
		t.requests = append(t.requests, req)
		steps = t.always
		if len(t.replies) > 0 {
			steps, t.replies = t.replies[0], t.replies[1:]
		}
	}
	t.mu.Unlock()
	what := "received"
	if check {
		what = "is checked:"
	}
	t.run.record(t.name, "conn %d %s %s", c.index, what, brief(req.text()))
	return steps
}

// reply does what the script said and tells whether the connection lives on.
func (t *target) reply(c *targetConn, r *bufio.Reader, req *request, steps []step) bool {
	body := func() bool {
		return req.isComplete() || req.readBody(r, true, "", t.run.notify) == nil
	}
	for _, s := range steps {
		switch s.kind {
		case stepBody:
			if !body() {
				t.run.record(t.name, "conn %d: body ended early: %v", c.index, req.err)
				return false
			}
		case stepWrite:
			if !t.write(c, s.data) {
				return false
			}
		case stepRespond:
			if !t.write(c, s.resp.bytes(t.name, req.word(0))) {
				return false
			}
			if s.resp.untilClose {
				return false
			}
		case stepFlood:
			for junk := bytes.Repeat([]byte("flood "), 10000); ; {
				n, err := c.Write(junk)
				if c.sent.Add(int64(n)); err != nil {
					return false
				}
			}
		case stepHold:
			if !t.hold() {
				return false
			}
		case stepClose:
			t.run.record(t.name, "conn %d: closes", c.index)
			return false
		case stepReset:
			t.run.record(t.name, "conn %d: resets", c.index)
			c.raw.SetLinger(0)
			return false
		case stepHalfClose:
			t.run.record(t.name, "conn %d: half-closes", c.index)
			c.raw.CloseWrite()
		}
	}
	return body()
}

func (t *target) write(c *targetConn, b []byte) bool {
	t.run.record(t.name, "conn %d sends %s", c.index, brief(b))
	_, err := c.Write(b)
	return err == nil
}

// hold waits for a release; false when the script ends.
func (t *target) hold() bool {
	for {
		t.run.mu.Lock()
		changed := t.run.changed
		t.run.mu.Unlock()
		t.mu.Lock()
		free := t.permits > 0 || t.open
		if t.permits > 0 {
			t.permits--
		}
		t.mu.Unlock()
		if free {
			return true
		}
		select {
		case <-changed:
		case <-t.done:
			return false
		}
	}
}

// stop closes the listening socket and, with RST, all connections: the process
// was killed. The port stays reserved, so that connecting is refused.
func (t *target) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.listener != nil {
		t.listener.Close()
		t.listener = nil
	}
	for c := range t.conns {
		c.raw.SetLinger(0)
		c.raw.Close()
	}
}

// full makes the target one that does not answer SYNs: a listening socket whose
// accept queue is full and stays so.
func (t *target) full() error {
	t.stop()
	ip := t.addr.Addr().As4()
	sa := &unix.SockaddrInet4{Addr: ip, Port: int(t.addr.Port())}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fillers = append(t.fillers, fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.Bind(fd, sa); err != nil {
		return err
	}
	if err := unix.Listen(fd, 0); err != nil {
		return err
	}
	// A backlog of 0 takes one connection; what comes after it is not answered.
	for range 4 {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		t.fillers = append(t.fillers, c)
		if err := unix.Connect(c, sa); err != nil && err != unix.EINPROGRESS {
			return err
		}
	}
	return nil
}

// end is the end of the script.
func (t *target) end() {
	t.mu.Lock()
	if t.ended {
		t.mu.Unlock()
		return
	}
	t.ended = true
	for _, fd := range t.fillers {
		unix.Close(fd)
	}
	t.mu.Unlock()
	close(t.done)
	t.stop()
}

// openConns is how many connections that carried requests are open: neither
// side has closed them.
func (t *target) openConns() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for c := range t.conns {
		if c.used && !peerClosed(c.raw) {
			n++
		}
	}
	return n
}

// peerClosed tells whether the peer closed or reset c: its goroutine may be
// holding a response, and not be reading.
func peerClosed(c *net.TCPConn) (closed bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	if raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(poll, 0)
		closed = err == nil && n > 0 && poll[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	}) != nil {
		return true
	}
	return closed
}

// lastRequest is the newest request of a client; nil when there is none.
func (t *target) lastRequest(n int) *request {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n == 0 {
		n = len(t.requests)
	}
	if n == 0 || n > len(t.requests) {
		return nil
	}
	return t.requests[n-1]
}

func (t *target) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.requests)
}

// blocked waits until a flood cannot go on: the load balancer does not read,
// because its client does not. It has to look more than once, for a flood stops
// for a moment whenever it is faster than the load balancer.
func (t *target) blocked() error {
	still, last := 0, int64(-1)
	return t.run.until(func() error {
		t.mu.Lock()
		defer t.mu.Unlock()
		sent := int64(0)
		for c := range t.conns {
			if full, err := sendQueueFull(c.raw); err != nil || !full {
				continue
			}
			sent += c.sent.Load() + 1
		}
		if still++; sent == 0 || sent != last {
			still, last = 0, sent
		}
		if still < 30 {
			return fmt.Errorf("expected a connection to %s that takes no more, seen it take", t.name)
		}
		return nil
	})
}

// sendQueueFull tells whether nothing more can be written to c now.
func sendQueueFull(c *net.TCPConn) (full bool, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false, err
	}
	err = raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(poll, 0)
		full = err == nil && n == 0
	})
	return full, err
}

// Package listener owns the sockets that clients connect to.
//
// A socket outlives configurations: a reload that keeps an address keeps its
// socket, its backlog and its connections, and only an address that goes or
// comes is closed or opened. Opening may fail, so it is done before the new
// configuration is published (Prepare); closing and accepting, which cannot,
// after (Commit).
package listener

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/internal/netio"
)

// AcceptFunc is given each accepted connection, with the slot of the bind it
// came to. It runs on a loop's goroutine, or that of who closes the socket, and
// must neither block nor call the Set.
type AcceptFunc func(slot int, l *netio.Loop, fd int, remote netip.AddrPort)

// Set is the listening sockets of the process.
type Set struct {
	engine *netio.Engine
	accept AcceptFunc

	mu       sync.Mutex // guards what follows; never held while accepting
	sockets  map[netip.AddrPort]*socket
	failures uint64 // of the acceptors that are closed
}

// socket is one listening socket.
type socket struct {
	addr     netip.AddrPort // as configured
	fd       int
	slot     int
	acceptor *netio.Acceptor // nil until committed
}

// NewSet returns a set without sockets.
func NewSet(e *netio.Engine, accept AcceptFunc) *Set {
	return &Set{engine: e, accept: accept, sockets: map[netip.AddrPort]*socket{}}
}

// Change is a step from one set of addresses to another that is prepared but
// has not happened. It must be ended by Commit or Abort, and no other Change
// begun before.
type Change struct {
	set    *Set
	opened []*socket
	closes []netip.AddrPort
}

// Prepare opens the sockets that binds need and s does not have. They queue
// connections, but none is accepted before Commit. If any address cannot be
// bound all errors are returned, and nothing stays open.
func (s *Set) Prepare(binds []*balancer.Bind) (*Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Change{set: s}
	wanted := map[netip.AddrPort]bool{}
	var errs []error
	for _, b := range binds {
		if b == nil {
			continue
		}
		wanted[b.Addr] = true
		if s.sockets[b.Addr] != nil {
			continue
		}
		fd, err := open(b.Addr)
		if err != nil {
			errs = append(errs, s.explain(b, err))
			continue
		}
		c.opened = append(c.opened, &socket{addr: b.Addr, fd: fd, slot: b.Slot})
	}
	for a := range s.sockets {
		if !wanted[a] {
			c.closes = append(c.closes, a)
		}
	}
	if len(errs) > 0 {
		c.Abort()
		return nil, errors.Join(errs...)
	}
	return c, nil
}

// explain says what an error of bind means and what to do about it.
func (s *Set) explain(b *balancer.Bind, err error) error {
	pos := b.Listener.Config.Position
	at := fmt.Errorf("%s: listener %s: cannot listen on %s: %w", pos, b.Listener.Name, b.Addr, err)
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		for a := range s.sockets {
			if a.Port() == b.Addr.Port() && (a.Addr().IsUnspecified() || b.Addr.Addr().IsUnspecified()) {
				return fmt.Errorf("%w; this process listens on %s until the change takes effect: remove that listener in a first reload, add this one in a second", at, a)
			}
		}
		return fmt.Errorf("%w; see who has it with: ss -ltnp 'sport = :%d'", at, b.Addr.Port())
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w; ports below 1024 need CAP_NET_BIND_SERVICE (setcap, systemd's AmbientCapabilities) or sysctl net.ipv4.ip_unprivileged_port_start", at)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("%w; the address is not on any interface of this host (ip address), or set sysctl net.ipv4.ip_nonlocal_bind", at)
	}
	return at
}

// Commit starts accepting on what was opened and closes what is not wanted any
// more. Connections accepted from a closed socket live on. It returns the
// errors of sockets that could not be put into the loops.
func (c *Change) Commit() error {
	s := c.set
	var errs []error
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range c.opened {
		slot := k.slot
		a, err := s.engine.Accept(k.fd, func(l *netio.Loop, fd int, remote netip.AddrPort) {
			s.accept(slot, l, fd, remote)
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("accept on %s: %w", k.addr, err))
			unix.Close(k.fd)
			continue
		}
		k.acceptor = a
		s.sockets[k.addr] = k
	}
	for _, a := range c.closes {
		s.closeLocked(a)
	}
	c.opened, c.closes = nil, nil
	return errors.Join(errs...)
}

// Abort closes what Prepare opened. After Commit it does nothing.
func (c *Change) Abort() {
	for _, k := range c.opened {
		unix.Close(k.fd)
	}
	c.opened = nil
}

func (s *Set) closeLocked(a netip.AddrPort) {
	k := s.sockets[a]
	k.acceptor.Close()
	s.failures += k.acceptor.Failures.Load()
	s.takeRest(k)
	unix.Close(k.fd)
	delete(s.sockets, a)
}

// takeRest accepts the connections that the kernel has made already: closing
// the socket would reset them, though their clients may have sent requests.
func (s *Set) takeRest(k *socket) {
	for i := range backlog {
		fd, from, err := unix.Accept4(k.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
			continue
		case err != nil:
			return // none is left, or the process is out of descriptors
		}
		s.accept(k.slot, s.engine.Loop(i%s.engine.Loops()), fd, addrPort(from))
	}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// Close closes all sockets. Connections accepted from them live on.
func (s *Set) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a := range s.sockets {
		s.closeLocked(a)
	}
}

// Addrs returns what is listened on, by slot.
func (s *Set) Addrs() map[int]netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[int]netip.AddrPort, len(s.sockets))
	for _, k := range s.sockets {
		out[k.slot] = k.addr
	}
	return out
}

// AcceptFailures returns how often accepting failed for want of descriptors or
// memory, on any socket so far. The clients wait meanwhile.
func (s *Set) AcceptFailures() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.failures
	for _, k := range s.sockets {
		n += k.acceptor.Failures.Load()
	}
	return n
}

// backlog is the accept queue asked for; the kernel cuts it to
// net.core.somaxconn.
const backlog = 65535

// open binds and listens. The wildcard address takes IPv4 and IPv6, or IPv4
// alone on a host without IPv6.
func open(addr netip.AddrPort) (int, error) {
	fd, err := openFamily(addr)
	if addr.Addr() == netip.IPv6Unspecified() && errors.Is(err, unix.EAFNOSUPPORT) {
		return openFamily(netip.AddrPortFrom(netip.IPv4Unspecified(), addr.Port()))
	}
	return fd, err
}

func openFamily(addr netip.AddrPort) (fd int, err error) {
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()})
	if addr.Addr().Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, b2i(!addr.Addr().IsUnspecified())); err != nil {
			return -1, err
		}
	}
	// Without SO_REUSEADDR a restart would wait for TIME_WAIT.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return -1, err
	}
	// Accepted sockets inherit it.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, sa); err != nil {
		return -1, err
	}
	return fd, unix.Listen(fd, backlog)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

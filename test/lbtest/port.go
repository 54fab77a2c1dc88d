package lbtest

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// reservation is a port that nobody else can take: a socket bound to it that
// does not listen. The kernel gives such a port to no bind of port 0 and to no
// outgoing connection, connecting to it is refused, and whoever sets
// SO_REUSEADDR, as the load balancer and package net do, may bind it as well and
// listen.
type reservation struct {
	fd   int
	port uint16
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// reserve reserves a free port on addr; on all addresses if that is the zero
// Addr.
func reserve(addr netip.Addr) (*reservation, error) {
	family, sa := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{})
	if addr.Is4() {
		sa = &unix.SockaddrInet4{Addr: addr.As4()}
	} else if addr.Is6() {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Addr: addr.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	p := &reservation{fd: fd}
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
		err = unix.Bind(fd, sa)
	}
	if err == nil {
		sa, err = unix.Getsockname(fd)
	}
	if err != nil {
		p.release()
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		p.port = uint16(sa.Port)
	case *unix.SockaddrInet6:
		p.port = uint16(sa.Port)
	}
	return p, nil
}

func (p *reservation) release() { unix.Close(p.fd) }

// port returns the port that a script calls name, reserving it at first.
func (r *run) port(name string) (uint16, error) {
	if p := r.ports[name]; p != nil {
		return p.port, nil
	}
	p, err := reserve(netip.Addr{})
	if err != nil {
		return 0, err
	}
	r.ports[name] = p
	return p.port, nil
}

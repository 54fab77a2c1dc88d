package netio

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epollEvent is struct epoll_event with the data split into our two numbers.
// On amd64 the kernel's struct is packed, which this layout equals because
// every field is 32 bits wide; elsewhere see epollEventPad.
type epollEvent struct {
	events uint32
	_      [epollEventPad]byte
	fd     int32
	gen    uint32
}

func sysEpollWait(epfd int, events *[maxEvents]epollEvent) int {
	n, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(events)), maxEvents, 0, 0, 0)
	if e != 0 {
		return 0 // cannot happen: it does not block, and is open while the loop runs
	}
	return int(n)
}

func sysEpollAdd(epfd int, fd int32, ev *epollEvent) syscall.Errno {
	_, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), unix.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(ev)), 0, 0)
	return e
}

func sysEpollDel(epfd int, fd int32) {
	var ev epollEvent
	syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), unix.EPOLL_CTL_DEL, uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
}

// A descriptor that does not block is not interrupted either; the calls that
// move bytes go on should the kernel have it otherwise, because EINTR is neither
// "nothing there" nor an error.

func sysRead(fd int32, p []byte) (int, syscall.Errno) {
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
		if e != syscall.EINTR {
			return int(n), e
		}
	}
}

// sysWrite sends without SIGPIPE, as send(2) with MSG_NOSIGNAL does; the Go
// runtime ignores SIGPIPE on sockets, but an embedding program may not.
func sysWrite(fd int32, p []byte, flags uintptr) (int, syscall.Errno) {
	for {
		n, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL|flags, 0, 0)
		if e != syscall.EINTR {
			return int(n), e
		}
	}
}

func sysWritev(fd int32, iov []unix.Iovec) (int, syscall.Errno) {
	for {
		n, _, e := syscall.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(iov))), uintptr(len(iov)))
		if e != syscall.EINTR {
			return int(n), e
		}
	}
}

// sysPeek tells whether fd has something to read: data (n > 0), FIN (n == 0),
// or nothing (EAGAIN).
func sysPeek(fd int32) (int, syscall.Errno) {
	var b [1]byte
	n, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), 1, unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
	return int(n), e
}

// sysUnsent is what the send buffer of fd holds: not sent, or not acknowledged.
func sysUnsent(fd int32) int64 {
	var n int32
	syscall.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCOUTQ, uintptr(unsafe.Pointer(&n)))
	return int64(n)
}

func sysClose(fd int32)         { syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }
func sysShutdownWrite(fd int32) { syscall.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0) }

func setLingerZero(fd int32) {
	// On failure the close sends FIN instead of RST, which is only slower.
	_ = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

func sysAccept(fd int32) (int, netip.AddrPort, syscall.Errno) {
	var sa unix.RawSockaddrAny
	n := uint32(unix.SizeofSockaddrAny)
	s, _, e := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&n)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if e != 0 {
		return -1, netip.AddrPort{}, e
	}
	return int(s), addrPort(&sa), 0
}

func sysGetsockname(fd int32) netip.AddrPort { return sockaddr(unix.SYS_GETSOCKNAME, fd) }

// sysGetpeername returns the zero AddrPort while fd is not connected.
func sysGetpeername(fd int32) netip.AddrPort { return sockaddr(unix.SYS_GETPEERNAME, fd) }

func sockaddr(call uintptr, fd int32) netip.AddrPort {
	var sa unix.RawSockaddrAny
	n := uint32(unix.SizeofSockaddrAny)
	if _, _, e := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&n))); e != 0 {
		return netip.AddrPort{}
	}
	return addrPort(&sa)
}

// addrPort reads an IPv4 or IPv6 socket address, IPv4 unmapped.
func addrPort(sa *unix.RawSockaddrAny) netip.AddrPort {
	switch sa.Addr.Family {
	case unix.AF_INET:
		p := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(p.Addr), ntohs(p.Port))
	case unix.AF_INET6:
		p := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom16(p.Addr).Unmap(), ntohs(p.Port))
	}
	return netip.AddrPort{}
}

// rawAddr fills sa with a and returns its length.
func rawAddr(sa *unix.RawSockaddrAny, a netip.AddrPort) uintptr {
	if a.Addr().Is4() {
		p := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		*p = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: ntohs(a.Port()), Addr: a.Addr().As4()}
		return unix.SizeofSockaddrInet4
	}
	p := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
	*p = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: ntohs(a.Port()), Addr: a.Addr().As16()}
	return unix.SizeofSockaddrInet6
}

// ntohs swaps between network order and this machine's, which is little-endian
// on every platform that the build lists.
func ntohs(p uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], p)
	return binary.BigEndian.Uint16(b[:])
}

func sysConnect(fd int, a netip.AddrPort) syscall.Errno {
	var sa unix.RawSockaddrAny
	n := rawAddr(&sa, a)
	_, _, e := syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), n)
	return e
}

// bytesOf is the slice that v describes.
func bytesOf(v *unix.Iovec) []byte { return unsafe.Slice(v.Base, int(v.Len)) }

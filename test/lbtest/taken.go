package lbtest

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// taken waits until the load balancer has read all that the client has sent.
// Without it a script could move the clock before the load balancer has begun
// to wait for more.
func (c *client) taken() error {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return fmt.Errorf("client %s has no connection", c.name)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	ours, theirs := conn.LocalAddr().(*net.TCPAddr).AddrPort(), conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	return c.run.until(func() error {
		unsent := -1
		if err := raw.Control(func(fd uintptr) { unsent, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil {
			return err
		}
		unread, err := receiveQueue(theirs, ours)
		if err != nil {
			return err
		}
		if unsent != 0 || unread != 0 {
			return fmt.Errorf("expected all bytes of %s read, seen %d under way and %d not read", c.name, unsent, unread)
		}
		return nil
	})
}

// receiveQueue is how many bytes the socket with these addresses holds that its
// program has not read: the kernel's own account, asked for by sock_diag(7).
// /proc/net/tcp has it too, but takes seconds to read after a busy test.
func receiveQueue(local, remote netip.AddrPort) (uint32, error) {
	const (
		header   = 16     // struct nlmsghdr
		request  = 56     // struct inet_diag_req_v2
		byFamily = 20     // SOCK_DIAG_BY_FAMILY
		rqueue   = 4 + 52 // in struct inet_diag_msg
	)
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_INET_DIAG)
	if err != nil {
		return 0, fmt.Errorf("sock_diag: %w", err)
	}
	defer unix.Close(fd)
	b := make([]byte, header+request)
	native := binary.NativeEndian
	native.PutUint32(b[0:], header+request)
	native.PutUint16(b[4:], byFamily)
	native.PutUint16(b[6:], unix.NLM_F_REQUEST)
	q := b[header:]
	q[0], q[1] = unix.AF_INET6, unix.IPPROTO_TCP
	if local.Addr().Is4() {
		q[0] = unix.AF_INET
	}
	native.PutUint32(q[4:], ^uint32(0)) // in any state
	binary.BigEndian.PutUint16(q[8:], local.Port())
	binary.BigEndian.PutUint16(q[10:], remote.Port())
	copy(q[12:], local.Addr().AsSlice())
	copy(q[28:], remote.Addr().AsSlice())
	native.PutUint64(q[48:], ^uint64(0)) // no cookie
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, fmt.Errorf("sock_diag: %w", err)
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return 0, fmt.Errorf("sock_diag: %w", err)
	}
	if n < header+rqueue+4 || native.Uint16(answer[4:]) != byFamily {
		return 0, fmt.Errorf("the kernel does not know the load balancer's end of the connection %v", remote)
	}
	return native.Uint32(answer[header+rqueue:]), nil
}

package lbtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// taken waits until the load balancer has read all that the client has sent.
// Without it a script could move the clock before the load balancer has begun
// to wait for more.
func (c *client) taken() error {
	c.mu.Lock()
	conn, port := c.conn, c.port
	c.mu.Unlock()
	if conn == nil {
		return fmt.Errorf("client %s has no connection", c.name)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return c.run.until(func() error {
		unsent := -1
		if err := raw.Control(func(fd uintptr) { unsent, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil {
			return err
		}
		unread, err := receiveQueue(port)
		if err != nil {
			return err
		}
		if unsent != 0 || unread != 0 {
			return fmt.Errorf("expected all bytes of %s read, seen %d under way and %d not read", c.name, unsent, unread)
		}
		return nil
	})
}

// receiveQueue is how many bytes the peer of the connection with the given
// local port has not read: the kernel's own account (proc(5), /proc/net/tcp).
func receiveQueue(port uint16) (int64, error) {
	want := fmt.Sprintf(":%04X", port)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(table)
		if err != nil {
			continue // a kernel without IPv6
		}
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line) // sl local remote state tx:rx …
			if len(f) < 5 || !strings.HasSuffix(f[2], want) || f[3] == "06" {
				continue // not ours, or TIME-WAIT
			}
			_, rx, _ := strings.Cut(f[4], ":")
			return strconv.ParseInt(rx, 16, 64)
		}
	}
	return 0, fmt.Errorf("the kernel knows no connection from port %d", port)
}

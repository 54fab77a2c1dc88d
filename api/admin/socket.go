package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultSocket is admin.socket where a configuration does not say otherwise.
const DefaultSocket = "/run/elbow/admin.sock"

// Sockets returns where a daemon that was not told a path may have its socket,
// the likeliest first: DefaultSocket and, for one that was started by a user who
// may not write there, a path of that user's.
func Sockets() []string {
	paths := []string{DefaultSocket}
	if own := userSocket(); own != "" {
		paths = append(paths, own)
	}
	return paths
}

// userSocket returns the user's own path; "" where the session has no directory
// for such things.
func userSocket() string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if !filepath.IsAbs(dir) { // the specification has others ignored
		return ""
	}
	return filepath.Join(dir, "elbow", "admin.sock")
}

// Modes of what listenSocket makes.
const (
	socketMode = 0o660 // owner and group may ask
	dirMode    = 0o750
)

// probeTimeout bounds how long a process that has the socket may take to accept.
const probeTimeout = time.Second

// listenSocket listens on a unix socket at path. What a dead process left there
// is replaced; a process that still answers keeps it, and what is not a socket is
// left alone.
func listenSocket(path string) (*net.UnixListener, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	// Of two processes that start at once, one must see the other's socket:
	// looking and binding are one step under a lock on the directory.
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("admin socket: lock %s: %w", dir, err)
	}
	defer unlock()
	if err := clearStale(path); err != nil {
		return nil, err
	}
	// The mode must be right from the first moment. The umask belongs to the
	// whole process, but all that it can do to a file that another goroutine
	// makes just now is take permissions of others away.
	mask := unix.Umask(0o777 &^ socketMode)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	unix.Umask(mask)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return l, nil
}

// clearStale makes way for a socket at path, or says why that must not be.
func clearStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("admin socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("admin socket: %s exists and is not a socket: remove it, or set admin.socket to another path", path)
	}
	conn, err := net.DialTimeout("unix", path, probeTimeout)
	switch {
	case err == nil:
		conn.Close()
		return fmt.Errorf("admin socket: another process answers at %s: end it, or set admin.socket to another path", path)
	case !errors.Is(err, unix.ECONNREFUSED):
		// It may be alive: its queue is full, or we may not connect to it.
		return fmt.Errorf("admin socket: another process may have %s (%w): end it, or set admin.socket to another path", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("admin socket: left by a process that ended: %w", err)
	}
	return nil
}

// lockPatience bounds the wait for the lock of a directory. Another process that
// starts has it for a moment; but whoever can read the directory can have it for
// as long as he likes. Tests shorten it.
var lockPatience = 5 * time.Second

// lockDir takes a lock on a directory, which the kernel lets go with the process
// if unlock does not.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockPatience); ; time.Sleep(10 * time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return func() { f.Close() }, nil
		case err == unix.EINTR, err == unix.EWOULDBLOCK && time.Now().Before(end):
		case err == unix.EWOULDBLOCK:
			f.Close()
			return nil, errors.New("another process has it locked (see lslocks): end that one, or set admin.socket to a path in another directory")
		default:
			f.Close()
			return nil, err
		}
	}
}

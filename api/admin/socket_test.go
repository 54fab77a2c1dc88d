package admin

import (
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestSocketModes(t *testing.T) {
	path := socketPath(t)
	l, err := listenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	f := func(path string, want fs.FileMode) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
	f(path, 0o660)
	f(filepath.Dir(path), 0o750)
	l.Close()
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is still there after Close")
	}
}

// TestSocketCollisions checks what happens to what is at the path already.
func TestSocketCollisions(t *testing.T) {
	refused := func(path, want string) {
		t.Helper()
		l, err := listenSocket(path)
		if err == nil {
			l.Close()
			t.Errorf("%s: taken, want an error with %q", path, want)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}

	alive := socketPath(t)
	l, err := listenSocket(alive)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	refused(alive, "another process answers")
	if conn, err := net.Dial("unix", alive); err != nil {
		t.Errorf("the first has lost its socket: %v", err)
	} else {
		conn.Close()
	}

	dead := socketPath(t)
	left, err := listenSocket(dead)
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false) // as a killed process leaves it
	left.Close()
	again, err := listenSocket(dead)
	if err != nil {
		t.Fatalf("a socket left by a dead process: %v", err)
	}
	again.Close()

	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(file, "is not a socket")
	if data, _ := os.ReadFile(file); string(data) != "precious" {
		t.Error("a file was overwritten")
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(alive, link); err != nil {
		t.Fatal(err)
	}
	refused(link, "is not a socket")
	refused(filepath.Join(file, "admin.sock"), "not a directory")
}

// TestSocketRace has many take one stale path at once: one gets it.
func TestSocketRace(t *testing.T) {
	path := socketPath(t)
	left, err := listenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	got := make(chan *net.UnixListener, 16)
	var all sync.WaitGroup
	for range cap(got) {
		all.Go(func() {
			if l, err := listenSocket(path); err == nil {
				got <- l
			}
		})
	}
	all.Wait()
	close(got)
	n := 0
	for l := range got {
		n++
		l.Close()
	}
	if n != 1 {
		t.Errorf("%d listeners on one path", n)
	}
}

// TestSocketLocked has somebody else hold the directory's lock.
func TestSocketLocked(t *testing.T) {
	patience := lockPatience
	t.Cleanup(func() { lockPatience = patience })
	path := socketPath(t)
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	lockPatience = time.Millisecond
	if _, err := listenSocket(path); err == nil || !strings.Contains(err.Error(), dir+": another process has it locked") {
		t.Errorf("%v", err)
	}
	unlock()
	l, err := listenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// TestSocketFallback checks what a daemon does that may not write the default
// path. No user may make files in /sys.
func TestSocketFallback(t *testing.T) {
	const path = "/sys/elbow/admin.sock"
	f := func(runtimeDir string, byDefault bool, want string) string {
		t.Helper()
		t.Setenv("XDG_RUNTIME_DIR", runtimeDir)
		core, logs := observer.New(zap.WarnLevel)
		s := &Server{log: zap.New(core)}
		l, err := s.listenSocket(path, byDefault)
		if (err != nil) == byDefault {
			t.Errorf("byDefault %v: %v", byDefault, err)
		}
		if got := logs.All(); byDefault && (len(got) != 1 || !strings.Contains(got[0].Message, want)) {
			t.Errorf("logged %v, want %q", got, want)
		}
		if l == nil {
			return ""
		}
		l.Close()
		return l.Addr().String()
	}
	own := filepath.Dir(filepath.Dir(socketPath(t)))
	if got := f(own, true, "using the user's own"); got != filepath.Join(own, "elbow", "admin.sock") {
		t.Errorf("fell back to %q", got)
	}
	if got := f("", true, "no admin socket"); got != "" {
		t.Errorf("without a directory of the user's: %q", got)
	}
	if got := f("relative", true, "no admin socket"); got != "" {
		t.Errorf("with a relative one: %q", got)
	}
	f(own, false, "")
}

func TestListenTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	path := socketPath(t)
	_, err = Listen(Options{Socket: path, Listen: netip.MustParseAddrPort(l.Addr().String())})
	if err == nil || !strings.Contains(err.Error(), "admin.listen") || !strings.Contains(err.Error(), "ss -ltnp") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket stayed")
	}
}

func TestSockets(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/1000")
	if got := strings.Join(Sockets(), " "); got != "/run/elbow/admin.sock /run/user/1000/elbow/admin.sock" {
		t.Error(got)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	if got := strings.Join(Sockets(), " "); got != DefaultSocket {
		t.Error(got)
	}
}

// TestNothing serves a daemon whose configuration wants no API.
func TestNothing(t *testing.T) {
	s, err := Listen(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(ready())
	if s.Socket() != "" || len(s.Addrs()) != 0 {
		t.Errorf("listens on %q %v", s.Socket(), s.Addrs())
	}
	s.Close()
}

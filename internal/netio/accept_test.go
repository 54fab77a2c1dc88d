package netio

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Connections go to the loop that has the fewest.
func TestAcceptDistribution(t *testing.T) {
	for _, loops := range []int{1, 2, 4} {
		s := newEcho(t, newEngine(t, Options{Loops: loops}), time.Minute)
		const n = 200
		for i := range n {
			c, err := s.dial()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			await(t, "accept", func() bool { return s.Conns() == i+1 })
		}
		for i := range loops {
			if got := int(s.Loop(i).conns.Load()); got < n/loops-1 || got > n/loops+1 {
				t.Errorf("%d loops: loop %d has %d of %d connections", loops, i, got, n)
			}
		}
	}
}

// More connections than one event accepts, all there before the first event.
func TestAcceptBacklog(t *testing.T) {
	const n = 3*acceptBatch + 1
	fd, addr := listen(t, 2*n)
	for range n {
		c, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	e := newEngine(t, Options{Loops: 2})
	remotes := make(chan netip.AddrPort, 2*n)
	a, err := e.Accept(fd, func(l *Loop, fd int, remote netip.AddrPort) {
		remotes <- remote
		CloseDescriptor(fd)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	await(t, "all to be accepted", func() bool { return len(remotes) == n })
	for range n {
		if r := <-remotes; r.Addr() != addr.Addr() || r.Port() == 0 {
			t.Fatalf("got remote %v, want a port of %v", r, addr.Addr())
		}
	}
}

// After Close the socket is not touched, though connections wait in its
// backlog: it may be another process's by then. It can be accepted from again.
func TestAcceptorClose(t *testing.T) {
	e := newEngine(t, Options{Loops: 3})
	fd, addr := listen(t, 1024)
	stop := make(chan struct{})
	clients := make(chan struct{})
	go func() {
		defer close(clients)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if c, err := net.Dial("tcp", addr.String()); err == nil {
				c.Close()
			}
		}
	}()
	for range 100 {
		var closed atomic.Bool
		var accepted, late atomic.Int32
		a, err := e.Accept(fd, func(_ *Loop, fd int, _ netip.AddrPort) {
			if closed.Load() {
				late.Add(1)
			}
			accepted.Add(1)
			CloseDescriptor(fd)
		})
		if err != nil {
			t.Fatal(err)
		}
		await(t, "a connection", func() bool { return accepted.Load() > 0 })
		a.Close()
		closed.Store(true)
		a.Close()
		if e.table.live.Load() != 0 {
			t.Fatalf("a listening socket counts as %d connections", e.table.live.Load())
		}
		if n := late.Load(); n > 0 {
			t.Fatalf("%d connections accepted after Close", n)
		}
	}
	close(stop)
	within(t, "clients", clients)
}

func TestAcceptRefuses(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// epoll does not take regular files.
	if _, err := e.Accept(int(f.Fd()), nil); !errors.Is(err, syscall.EPERM) {
		t.Errorf("a regular file: got %v, want EPERM", err)
	}
	if _, err := e.Accept(1<<30, nil); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("a descriptor beyond the table: got %v, want EMFILE", err)
	}
	if n := e.table.live.Load(); n != 0 {
		t.Errorf("%d in the table, want none", n)
	}
}

// Out of descriptors, an acceptor rests instead of spinning, and goes on by
// itself. It runs in a process of its own, which gets no more descriptors.
func TestAcceptOutOfDescriptors(t *testing.T) {
	const env = "NETIO_TEST_CHILD"
	if os.Getenv(env) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAcceptOutOfDescriptors$", "-test.timeout=60s")
		cmd.Env = append(os.Environ(), env+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	fake := newFake()
	e := newEngine(t, Options{Loops: 2, Clock: fake})
	s := newEcho(t, e, time.Minute)
	client := rawClient(t)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 64, Max: 64}); err != nil {
		t.Fatal(err)
	}
	var hoard []int
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == unix.EMFILE {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		hoard = append(hoard, fd)
	}
	// Dialing and registering find nothing either, and say so.
	if _, st := dial(t, e.Loop(0), s.addr, time.Minute); st != NoDescriptors {
		t.Errorf("Dial: got %v, want no-descriptors", st)
	}
	if p := e.pipes.get(); p != nil {
		t.Error("got a pipe without descriptors")
	}
	connect(t, client, s.addr)
	await(t, "the acceptor to fail", func() bool { return s.acceptor.Failures.Load() > 0 })
	await(t, "the pause", func() bool { return fake.Waiting() == 1 })
	for _, fd := range hoard {
		unix.Close(fd)
	}
	// At rest until the pause is over.
	fake.Advance(acceptPause - 1)
	if n := s.acceptor.Failures.Load(); n > uint64(e.Loops()) {
		t.Errorf("%d accepts failed, want at most one per loop: it spins", n)
	}
	if s.accepted.Load() != 0 {
		t.Error("accepted during the pause")
	}
	fake.Advance(1)
	await(t, "accepting again", func() bool { return s.accepted.Load() == 1 })
	b := []byte("x")
	if _, err := unix.Write(client, b); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Read(client, b); n != 1 || err != nil {
		t.Errorf("echo: got %d %v", n, err)
	}
	unix.Close(client)
	// A pause that Close ends.
	s.acceptor.pause()
	s.acceptor.Close()
	fake.Advance(2 * acceptPause)
	if c, err := s.dial(); err == nil {
		c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := c.Read(b); err == nil || err == io.EOF {
			t.Errorf("accepted after Close: %v", err)
		}
		c.Close()
	}
	if s.accepted.Load() != 1 {
		t.Error("accepted after Close")
	}
}

// rawClient makes a blocking socket.
func rawClient(t testing.TB) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func connect(t testing.TB, fd int, addr netip.AddrPort) {
	t.Helper()
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: addr.Addr().As4(), Port: int(addr.Port())}); err != nil {
		t.Fatal(err)
	}
}

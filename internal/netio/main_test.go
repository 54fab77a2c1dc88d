package netio

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/elbow-lb/elbow/internal/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen. It is no measure of
// anything: when it is over the test has failed.
const patience = 20 * time.Second

// await polls until cond holds.
func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(50 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatalf("gave up waiting: %s", what)
		}
	}
}

// within waits for done, and shows all stacks when it does not come.
func within(t testing.TB, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		stacks := make([]byte, 1<<20)
		t.Fatalf("gave up waiting: %s\n%s", what, stacks[:runtime.Stack(stacks, true)])
	}
}

// newEngine starts an engine that ends with the test.
func newEngine(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeEngine(t, e) })
	return e
}

// closeEngine closes e, twice, and fails if that takes for ever or leaves
// something behind.
func closeEngine(t testing.TB, e *Engine) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		e.Close()
		e.Close()
		close(done)
	}()
	within(t, "Engine.Close", done)
	if n, live, busy := e.Conns(), e.table.live.Load(), e.Busy(); n != 0 || live != 0 || busy != 0 {
		t.Errorf("after Close: %d connections, %d in the table, %d workers busy, want none", n, live, busy)
	}
}

// newFake is a clock for deadlines.
func newFake() *clock.Fake {
	return clock.NewFake(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
}

// listen makes a listening, non-blocking socket that is closed with the test.
func listen(t testing.TB, backlog int) (fd int, addr netip.AddrPort) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if backlog >= 0 {
		if err := unix.Listen(fd, backlog); err != nil {
			t.Fatal(err)
		}
	}
	return fd, sysGetsockname(int32(fd))
}

// tcpPair makes a connection over loopback: a descriptor for the engine, which
// the caller closes, and a peer that is closed with the test.
func tcpPair(t testing.TB) (fd int, peer *net.TCPConn) {
	t.Helper()
	l, addr := listen(t, 1)
	nc, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(2 * patience))
	await(t, "accept", func() bool {
		fd, _, err = unix.Accept4(l, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		return err != unix.EAGAIN
	})
	if err != nil {
		t.Fatal(err)
	}
	return fd, nc
}

// aloof is a Parker that leaves connections where they are.
type aloof struct{}

func (aloof) Ready(*Conn)   {}
func (aloof) Expired(*Conn) {}

// told is a Parker that says what it was told, the first hundred times, and
// leaves c where it is.
type told struct{ ready, expired chan *Conn }

func newTold() told { return told{make(chan *Conn, 100), make(chan *Conn, 100)} }

func (p told) Ready(c *Conn)   { tell(p.ready, c) }
func (p told) Expired(c *Conn) { tell(p.expired, c) }

func tell(to chan<- *Conn, c *Conn) {
	select {
	case to <- c:
	default:
	}
}

// own registers fd in l and claims it at once.
func own(t testing.TB, l *Loop, fd int) *Conn {
	t.Helper()
	c := new(Conn)
	if s := l.Register(c, fd, aloof{}, 0); s != OK {
		t.Fatalf("Register: %v", s)
	}
	if !c.Claim() {
		t.Fatal("Claim of a connection just parked: false")
	}
	return c
}

// ownPair is tcpPair with the engine's end owned by the caller.
func ownPair(t testing.TB, l *Loop) (*Conn, *net.TCPConn) {
	t.Helper()
	fd, peer := tcpPair(t)
	return own(t, l, fd), peer
}

// taskFunc is a Task made of a function.
type taskFunc func(w *Worker)

func (f taskFunc) Serve(w *Worker) { f(w) }

// start runs f on a worker of l, beside its loop since f may block; what it
// returns is closed when f has returned.
func start(l *Loop, f func(w *Worker)) <-chan struct{} {
	done := make(chan struct{})
	go l.Go(taskFunc(func(w *Worker) {
		defer close(done)
		w.Refresh()
		f(w)
	}))
	return done
}

// run runs f on a worker of l and waits for it.
func run(t testing.TB, l *Loop, f func(w *Worker)) {
	t.Helper()
	within(t, "a task", start(l, f))
}

// sleeping waits until a worker sleeps for c.
func sleeping(t testing.TB, c *Conn) {
	t.Helper()
	await(t, "a worker that sleeps", func() bool { return hasWaiter(c.r.Load()) || hasWaiter(c.w.Load()) })
}

func hasWaiter(x *waiter) bool { return x != nil && x.worker != nil }

// received waits until c has something to read in the kernel and its loop has
// said so.
func received(t testing.TB, c *Conn) {
	t.Helper()
	await(t, "an event", func() bool { return c.r.Load() == stReady })
}

// stream is an endless sequence of bytes that depends on a seed, so that bytes
// that are lost, doubled or somebody else's are noticed.
type stream struct{ x uint64 }

func (s *stream) fill(p []byte) []byte {
	for i := range p {
		s.x = s.x*6364136223846793005 + 1442695040888963407
		p[i] = byte(s.x >> 56)
	}
	return p
}

// check compares p with what comes next.
func (s *stream) check(p []byte) error {
	for i, b := range p {
		if want := s.fill([]byte{0})[0]; b != want {
			return fmt.Errorf("byte %d of %d: got %#x, want %#x", i, len(p), b, want)
		}
	}
	return nil
}

// errs collects errors of many goroutines.
type errs struct {
	mu  sync.Mutex
	all []error
}

func (e *errs) add(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.all) < 5 {
		e.all = append(e.all, err)
	}
}

func (e *errs) report(t *testing.T) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, err := range e.all {
		t.Error(err)
	}
}

// fakeOf returns the clock that a test gave to e.
func fakeOf(e *Engine) *clock.Fake { return e.clock.(*clock.Fake) }

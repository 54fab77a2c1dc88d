package netio

import (
	"io"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Events and wheel entries that outlive their descriptor meet nothing, or a
// connection of another generation, which they leave alone.
func TestStaleEvents(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 1, Clock: fake})
	// A loop that does not run, to be given events.
	l, err := newLoop(e, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.file.Close()
	defer l.wheel.stop()

	fd, _ := tcpPair(t)
	old := new(Conn)
	if s := l.Register(old, fd, newTold(), time.Second); s != OK {
		t.Fatal(s)
	}
	old.Claim()
	old.Close()
	fd2, _ := tcpPair(t)
	if fd2 != fd {
		if err := unix.Dup3(fd2, fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		unix.Close(fd2)
	}
	p := newTold()
	c := new(Conn)
	if s := l.Register(c, fd, p, time.Hour); s != OK {
		t.Fatal(s)
	}
	give := func(gen uint32, events uint32) {
		l.events[0] = epollEvent{events: events, fd: int32(fd), gen: gen}
		l.dispatch(1)
	}
	const all = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	give(old.gen, all)
	fake.Advance(time.Minute)
	if len(p.ready)+len(p.expired) != 0 || c.hangup.Load() != 0 {
		t.Error("a connection was told what was about its descriptor's last owner")
	}
	give(c.gen, unix.EPOLLIN)
	if len(p.ready) != 1 {
		t.Error("a connection was not told of its own event")
	}
	c.Claim()
	c.Close()
	give(c.gen, all)
	if len(p.ready) != 1 {
		t.Error("a closed connection was told of an event")
	}
}

// What an event says about hang-ups, and whom it wakes.
func TestDispatch(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	l, err := newLoop(e, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.file.Close()
	defer l.wheel.stop()
	f := func(events uint32, armed, hangup, broken, readable, writable bool) {
		t.Helper()
		fd, _ := tcpPair(t)
		c := own(t, l, fd)
		defer c.Close()
		if armed {
			c.w.Store(stArmed)
		}
		l.events[0] = epollEvent{events: events, fd: c.fd, gen: c.gen}
		l.dispatch(1)
		if c.Hangup() != hangup || c.Broken() != broken {
			t.Errorf("%#x: hangup %v, broken %v; want %v, %v", events, c.Hangup(), c.Broken(), hangup, broken)
		}
		if r, w := c.r.Load() == stReady, c.w.Load() == stReady; r != readable || w != writable {
			t.Errorf("%#x: readable %v, writable %v; want %v, %v", events, r, w, readable, writable)
		}
	}
	f(unix.EPOLLOUT, false, false, false, false, false)
	f(unix.EPOLLOUT, true, false, false, false, true)
	f(unix.EPOLLIN|unix.EPOLLOUT, false, false, false, true, false)
	f(unix.EPOLLIN|unix.EPOLLOUT, true, false, false, true, true)
	f(unix.EPOLLIN|unix.EPOLLRDHUP, true, true, false, true, false)
	f(unix.EPOLLHUP, true, true, true, true, true)
	f(unix.EPOLLERR, false, true, true, true, false)
}

// An event that arrives while its connection is being registered is told, and
// one that is claimed by somebody else first is not lost.
func TestEventBeforeClaim(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	for range 300 {
		fd, peer := tcpPair(t)
		io.WriteString(peer, "x")
		p := newTold()
		c := new(Conn)
		if s := e.Loop(0).Register(c, fd, p, 0); s != OK {
			t.Fatal(s)
		}
		if !c.Claim() { // with luck before the Parker is told
			t.Fatal("Claim: false")
		}
		run(t, e.Loop(0), func(w *Worker) {
			if !w.WaitRead(c) {
				t.Error("WaitRead: false")
			}
			c.Close()
		})
		peer.Close()
	}
}

package netio

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// small makes c's send buffer as small as the kernel allows, so that writes are
// cut everywhere.
func small(c *Conn) { unix.SetsockoptInt(c.FD(), unix.SOL_SOCKET, unix.SO_SNDBUF, 1) }

// slowly reads n bytes from peer in pieces of at most max, and compares them
// with the stream of seed.
func slowly(peer io.Reader, r *rand.Rand, seed uint64, n, max int) error {
	in := stream{seed}
	b := make([]byte, max)
	for got := 0; got < n; {
		k, err := peer.Read(b[:1+r.IntN(max)])
		if err != nil {
			return fmt.Errorf("after %d of %d bytes: %w", got, n, err)
		}
		if err := in.check(b[:k]); err != nil {
			return fmt.Errorf("after %d bytes: %w", got, err)
		}
		got += k
	}
	return nil
}

// cut splits b at the given lengths; the rest is the last slice.
func cut(b []byte, at ...int) (out [][]byte) {
	for _, n := range at {
		n = max(0, min(n, len(b)))
		out = append(out, b[:n])
		b = b[n:]
	}
	return append(out, b)
}

// sendAndCheck runs write on a worker while peer is read slowly.
func sendAndCheck(t *testing.T, l *Loop, c *Conn, peer *net.TCPConn, seed uint64, n, max int, write func(w *Worker) Status) {
	t.Helper()
	read := make(chan error, 1)
	go func() { read <- slowly(peer, rand.New(rand.NewPCG(seed, 9)), seed, n, max) }()
	run(t, l, func(w *Worker) {
		if s := write(w); s != OK {
			t.Errorf("got %v, want ok", s)
		}
	})
	if err := <-read; err != nil {
		t.Error(err)
	}
	if c.w.Load() != nil {
		t.Error("the connection is still armed")
	}
}

// Where the kernel cuts a writev decides which slice is continued, and where.
// The slices are laid so that the cut falls before, on and behind a border.
func TestWritevCutAnywhere(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	l := e.Loop(0)
	const total = 200 << 10
	// Where does it cut?
	c, _ := ownPair(t, l)
	small(c)
	first, s := c.TryWrite(make([]byte, total))
	c.Close()
	if s != OK || first >= total {
		t.Fatalf("first write: %d bytes, %v; want a part of %d", first, s, total)
	}
	for d := -3; d <= 3; d++ {
		for _, tail := range [][]int{nil, {0}, {1}, {1, 1, 1}, {5, 0, 0, 7}} {
			c, peer := ownPair(t, l)
			small(c)
			seed := uint64(d + 10)
			data := (&stream{seed}).fill(make([]byte, total))
			bufs := cut(data, append([]int{first + d}, tail...)...)
			sendAndCheck(t, l, c, peer, seed, total, 8<<10, func(w *Worker) Status {
				return w.Writev(c, bufs, time.Minute)
			})
			c.Close()
		}
	}
}

// Random slices, more than one writev takes, some of them empty.
func TestWritevRandom(t *testing.T) {
	e := newEngine(t, Options{Loops: 2})
	for i := range 40 {
		r := rand.New(rand.NewPCG(5, uint64(i)))
		c, peer := ownPair(t, e.Loop(i%2))
		small(c)
		total := r.IntN(150 << 10)
		data := (&stream{uint64(i)}).fill(make([]byte, total))
		var at []int
		for range r.IntN(60) {
			at = append(at, r.IntN(1<<r.IntN(14)))
		}
		bufs := cut(data, at...)
		sendAndCheck(t, c.Loop(), c, peer, uint64(i), total, 16<<10, func(w *Worker) Status {
			s := w.Writev(c, bufs, time.Minute)
			for _, v := range w.iov {
				if v.Base != nil {
					t.Error("the worker holds on to what it wrote")
					break
				}
			}
			return s
		})
		c.Close()
	}
}

func TestWriteSlowReader(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	for _, n := range []int{0, 1, 1000, 300 << 10} {
		c, peer := ownPair(t, e.Loop(0))
		small(c)
		data := (&stream{4}).fill(make([]byte, n))
		sendAndCheck(t, e.Loop(0), c, peer, 4, n, 3000, func(w *Worker) Status { return w.Write(c, data, time.Minute) })
		c.Close()
	}
}

func TestTryWrite(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	c, peer := ownPair(t, e.Loop(0))
	defer c.Close()
	if n, s := c.TryWrite([]byte("abc")); n != 3 || s != OK || c.w.Load() != nil {
		t.Errorf("got %d %v, armed %v; want 3 ok, not armed", n, s, c.w.Load() != nil)
	}
	sent := 3 + fill(t, c)
	if c.w.Load() != stArmed {
		t.Error("after Again the connection is not armed")
	}
	// The event turns up whether or not anybody sleeps.
	go io.CopyN(io.Discard, peer, int64(sent))
	await(t, "writability", func() bool { return c.w.Load() == stReady })
	if _, s := c.TryWrite([]byte("d")); s != OK {
		t.Errorf("got %v, want ok", s)
	}
	c.Disarm()
	if c.w.Load() != nil {
		t.Error("Disarm did not disarm")
	}
}

// Each way of writing says Reset when the peer is gone, asleep or not.
func TestWriteReset(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	l := e.Loop(0)
	big := make([]byte, 32<<20)
	f := func(name string, write func(w *Worker, c *Conn) Status) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			c, peer := ownPair(t, l)
			var s Status
			done := start(l, func(w *Worker) { s = write(w, c) })
			sleeping(t, c)
			peer.SetLinger(0)
			peer.Close()
			within(t, "the write", done)
			if s != Reset {
				t.Errorf("asleep: got %v, want reset", s)
			}
			run(t, l, func(w *Worker) { s = write(w, c) })
			if s != Reset {
				t.Errorf("afterwards: got %v, want reset", s)
			}
			c.Close()
		})
	}
	f("Write", func(w *Worker, c *Conn) Status { return w.Write(c, big, time.Minute) })
	f("Writev", func(w *Worker, c *Conn) Status { return w.Writev(c, [][]byte{big[:1], big}, time.Minute) })
	f("TryWrite", func(w *Worker, c *Conn) Status {
		defer c.Disarm()
		for {
			switch _, s := c.TryWrite(big); s {
			case OK:
			case Again:
				w.WaitAny(Want{c, true})
			default:
				return s
			}
		}
	})
}

// The timeout of a write is for each part that the peer takes, not for all.
func TestWriteTimeoutRestarts(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 1, Clock: fake})
	c, peer := ownPair(t, e.Loop(0))
	defer c.Close()
	var s Status
	done := start(e.Loop(0), func(w *Worker) { s = w.Write(c, make([]byte, 64<<20), time.Minute) })
	defer func() { within(t, "the write", done) }()
	defer peer.Close()
	b := make([]byte, 64<<10)
	for range 5 {
		sleeping(t, c)
		// Just in time, the peer takes as much as wakes the writer.
		fake.Advance(50 * time.Second)
		for c.deadline.Load() < tickOf(e.Nanotime()+int64(55*time.Second)) {
			if !hasWaiter(c.w.Load()) {
				runtime.Gosched() // it is awake, and fills the socket
				continue
			}
			peer.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := peer.Read(b); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
		}
	}
	sleeping(t, c)
	await(t, "the end", func() bool {
		// Again and again: the socket may have taken a last part.
		fake.Advance(time.Minute + 2*tick)
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	if s != TimedOut {
		t.Errorf("got %v, want timed-out", s)
	}
}

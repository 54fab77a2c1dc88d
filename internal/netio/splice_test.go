package netio

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"time"
)

// spliced is one Splice from src's peer to dst's peer.
type spliced struct {
	src, dst         *Conn
	srcPeer, dstPeer *net.TCPConn

	moved    int64
	status   Status
	readSide bool
}

func newSplice(t testing.TB, e *Engine) *spliced {
	t.Helper()
	x := new(spliced)
	x.src, x.srcPeer = ownPair(t, e.Loop(0))
	x.dst, x.dstPeer = ownPair(t, e.Loop(e.Loops()-1))
	t.Cleanup(func() {
		for _, c := range []*Conn{x.src, x.dst} {
			if !c.Closed() {
				c.Close()
			}
		}
	})
	return x
}

func (x *spliced) start(t testing.TB, n int64, timeout time.Duration) <-chan struct{} {
	return start(x.src.Loop(), func(w *Worker) {
		var pace Pace
		pace.Reset(0, timeout, timeout)
		var ok bool
		x.moved, x.status, x.readSide, ok = w.Splice(x.dst, x.src, n, timeout, &pace)
		if !ok {
			t.Error("no pipe")
		}
		if x.dst.w.Load() != nil && !x.dst.Closed() {
			t.Error("the destination is still armed")
		}
	})
}

func (x *spliced) want(t testing.TB, moved int64, s Status, readSide bool) {
	t.Helper()
	if x.moved != moved || x.status != s || s != OK && x.readSide != readSide {
		t.Errorf("got %d bytes, %v, read side %v; want %d, %v, %v", x.moved, x.status, x.readSide, moved, s, readSide)
	}
}

// Exactly n bytes arrive, unchanged, in whatever pieces they come and go.
func TestSpliceExact(t *testing.T) {
	e := newEngine(t, Options{Loops: 2})
	f := func(name string, n int64, piece, max int, tight bool) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			x := newSplice(t, e)
			if tight {
				small(x.dst)
			}
			r := rand.New(rand.NewPCG(8, uint64(n)))
			go func() {
				out := stream{1}
				for left := n; left > 0; {
					b := out.fill(make([]byte, min(left, 1+r.Int64N(int64(piece)))))
					k, err := x.srcPeer.Write(b)
					if err != nil {
						return
					}
					left -= int64(k)
				}
				io.WriteString(x.srcPeer, "more")
			}()
			done := x.start(t, n, time.Minute)
			err := slowly(x.dstPeer, rand.New(rand.NewPCG(9, 9)), 1, int(n), max)
			if err != nil {
				t.Error(err)
			}
			within(t, "Splice", done)
			x.want(t, n, OK, false)
			// What came behind is for the next read, and is not slept over.
			run(t, x.src.Loop(), func(w *Worker) {
				b := make([]byte, 4)
				if k, s := w.Read(x.src, b, time.Minute); k == 0 || string(b[:k]) != "more"[:k] {
					t.Errorf("behind it: got %q, %v", b[:k], s)
				}
			})
			// And nothing of it reached the other side.
			x.dst.Close()
			if k, err := x.dstPeer.Read(make([]byte, 1)); k != 0 || err != io.EOF {
				t.Errorf("after the last byte: got %d %v, want EOF", k, err)
			}
		})
	}
	f("one byte", 1, 1, 1, false)
	f("tiny pieces, which fill a pipe long before its size", 40000, 30, 64<<10, false)
	f("slow reader", 2<<20, 64<<10, 3000, true)
	f("bursts", 3<<20, 2<<20, 200<<10, false)
	f("more than a pipe", pipeSize+1, pipeSize, pipeSize, false)
}

func TestSpliceLarge(t *testing.T) {
	const n = 100 << 20
	e := newEngine(t, Options{Loops: 2})
	x := newSplice(t, e)
	block := (&stream{2}).fill(make([]byte, 1<<20))
	go func() {
		for range n / len(block) {
			if _, err := x.srcPeer.Write(block); err != nil {
				return
			}
		}
	}()
	done := x.start(t, n, time.Minute)
	got := make([]byte, len(block))
	for i := range n / len(block) {
		if _, err := io.ReadFull(x.dstPeer, got); err != nil {
			t.Fatal(err)
		}
		if string(got) != string(block) {
			t.Fatalf("block %d differs", i)
		}
	}
	within(t, "Splice", done)
	x.want(t, n, OK, false)
}

// After n bytes the source may be parked if it sent no more, and only then.
func TestSpliceThenPark(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	f := func(sent string, n int64, park bool) {
		t.Helper()
		x := newSplice(t, e)
		io.WriteString(x.srcPeer, sent)
		received(t, x.src)
		within(t, "Splice", x.start(t, n, time.Minute))
		x.want(t, n, OK, false)
		if got := x.src.Pending(); got == park {
			t.Errorf("%q, %d spliced: Pending is %v", sent, n, got)
		}
		if got := x.src.Park(0, 0); got != park {
			t.Errorf("%q, %d spliced: Park is %v, want %v", sent, n, got, park)
		} else if park {
			x.src.Claim()
		}
	}
	f("abc", 3, true)
	f("abcd", 3, false)
}

// A source that ends early delivers what it sent.
func TestSpliceEndsEarly(t *testing.T) {
	e := newEngine(t, Options{Loops: 2})
	f := func(name string, sent int, tight, reset bool) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			x := newSplice(t, e)
			if tight {
				small(x.dst)
			}
			done := x.start(t, 1<<40, time.Minute)
			go func() {
				x.srcPeer.Write((&stream{3}).fill(make([]byte, sent)))
				if !reset {
					x.srcPeer.Close()
				}
			}()
			if err := slowly(x.dstPeer, rand.New(rand.NewPCG(1, 1)), 3, sent, 20000); err != nil {
				t.Error(err)
			}
			want := EOF
			if reset {
				x.srcPeer.SetLinger(0)
				x.srcPeer.Close()
				want = Reset
			}
			within(t, "Splice", done)
			x.want(t, int64(sent), want, true)
		})
	}
	f("at once", 0, false, false)
	f("after a little", 1000, false, false)
	f("with the pipe full of it", 400<<10, true, false)
	f("after much", 2<<20, true, false)
	f("with a reset", 100<<10, true, true)
}

// A destination that resets, or that takes nothing, is told from a source.
func TestSpliceFails(t *testing.T) {
	fake := newFake()
	e := newEngine(t, Options{Loops: 1, Clock: fake})
	f := func(name string, s Status, readSide bool, fail func(x *spliced)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			x := newSplice(t, e)
			done := x.start(t, 1<<40, time.Minute)
			fail(x)
			within(t, "Splice", done)
			if x.status != s || x.readSide != readSide {
				t.Errorf("got %v, read side %v; want %v, %v", x.status, x.readSide, s, readSide)
			}
			for _, p := range e.pipes.idle {
				if k, err := sysSplice(p.r, p.w, 1); k > 0 {
					t.Errorf("a pipe with bytes in it was kept: %v", err)
				}
			}
		})
	}
	flood := func(x *spliced) {
		go func() {
			for b := make([]byte, 1<<20); ; {
				if _, err := x.srcPeer.Write(b); err != nil {
					return
				}
			}
		}()
		await(t, "a full destination", func() bool { return hasWaiter(x.dst.w.Load()) })
	}
	f("the source is silent", TimedOut, true, func(x *spliced) {
		sleeping(t, x.src)
		fake.Advance(time.Minute + 2*tick)
	})
	f("the destination is stalled", TimedOut, false, func(x *spliced) {
		flood(x)
		await(t, "the end", func() bool {
			// Again and again: the socket may have taken a last part.
			fake.Advance(time.Minute + 2*tick)
			return !hasWaiter(x.dst.w.Load()) && x.dst.w.Load() == nil
		})
	})
	f("the destination hangs up while the source is silent", Again, false, func(x *spliced) {
		sleeping(t, x.src)
		x.dstPeer.Close()
	})
	f("the destination resets", Reset, false, func(x *spliced) {
		flood(x)
		x.dstPeer.SetLinger(0)
		x.dstPeer.Close()
	})
}

// Pipes are kept, a bounded number, and closed with the engine.
func TestPipes(t *testing.T) {
	e := newEngine(t, Options{Loops: 1})
	var out []*pipe
	for range maxIdlePipes + 3 {
		p := e.pipes.get()
		if p == nil {
			t.Fatal("no pipe")
		}
		if p.size < minPipe {
			t.Errorf("a pipe of %d bytes, want at least %d", p.size, minPipe)
		}
		out = append(out, p)
	}
	first := out[0]
	for _, p := range out {
		e.pipes.put(p, 0)
	}
	if n := len(e.pipes.idle); n != maxIdlePipes {
		t.Errorf("%d pipes kept, want %d", n, maxIdlePipes)
	}
	p := e.pipes.get()
	e.pipes.put(p, 1)
	if n := len(e.pipes.idle); n != maxIdlePipes-1 {
		t.Errorf("a pipe that was not empty was kept")
	}
	e.Close()
	if _, err := sysSplice(first.r, first.w, 1); !errors.Is(err, syscall.EBADF) {
		t.Errorf("a pipe is open after Close: %v", err)
	}
}

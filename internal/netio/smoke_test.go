package netio

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// echo is a connection that sends back what it reads.
type echo struct {
	Conn
}

func (e *echo) Ready(c *Conn) {
	if c.Claim() {
		c.Loop().Go(e)
	}
}

func (e *echo) Expired(c *Conn) {
	if c.Claim() {
		c.Close()
	}
}

func (e *echo) Serve(w *Worker) {
	b := GetBuf()
	defer PutBuf(b)
	for {
		n, s := e.TryRead(b[:])
		switch s {
		case OK:
			if w.Write(&e.Conn, b[:n], time.Second*10) != OK {
				e.Close()
				return
			}
		case Again:
			if e.Park(w.Now, time.Minute) {
				return
			}
		default:
			e.Close()
			return
		}
	}
}

func TestEcho(t *testing.T) {
	e, err := New(Options{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd := int(f.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	a, err := e.Accept(fd, func(l *Loop, fd int, remote netip.AddrPort) {
		c := new(echo)
		l.RegisterAccepted(&c.Conn, fd, remote, c, time.Minute)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for range 20 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 100, 1 << 20} {
			msg := make([]byte, n)
			go c.Write(msg)
			got := make([]byte, n)
			if _, err := io.ReadFull(c, got); err != nil {
				t.Fatal(err)
			}
		}
		c.Close()
	}
}

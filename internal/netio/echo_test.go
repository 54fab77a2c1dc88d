package netio

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// echo is a connection that sends back what it reads, and parks in between.
type echo struct {
	Conn
	server *echoServer
	owners atomic.Int32
}

// echoServer accepts echoes. Their Tasks check that a connection has one owner.
type echoServer struct {
	*Engine
	addr netip.AddrPort
	idle time.Duration // of a parked connection
	// writeTimeout bounds how long a client may not read.
	writeTimeout time.Duration
	acceptor     *Acceptor

	accepted, served, expired, timedOut atomic.Int64
	twice                               atomic.Int64 // a second owner was met
}

func newEcho(t testing.TB, e *Engine, idle time.Duration) *echoServer {
	t.Helper()
	fd, addr := listen(t, 1024)
	s := &echoServer{Engine: e, addr: addr, idle: idle, writeTimeout: min(idle, time.Minute)}
	var err error
	s.acceptor, err = e.Accept(fd, func(l *Loop, fd int, remote netip.AddrPort) {
		s.accepted.Add(1)
		c := &echo{server: s}
		l.RegisterAccepted(&c.Conn, fd, remote, c, s.idle)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.acceptor.Close)
	return s
}

func (c *echo) Ready(*Conn) {
	if c.Claim() {
		c.own(1)
		c.Loop().Go(c)
	}
}

func (c *echo) Expired(*Conn) {
	if c.Claim() {
		c.server.expired.Add(1)
		c.Close()
	}
}

func (c *echo) own(n int32) {
	if owners := c.owners.Add(n); owners != 0 && owners != 1 {
		c.server.twice.Add(1)
	}
}

func (c *echo) Serve(w *Worker) {
	c.server.served.Add(1)
	b := GetBuf()
	defer PutBuf(b)
	for {
		n, s := c.TryRead(b[:])
		if s == OK {
			s = w.Write(&c.Conn, b[:n], c.server.writeTimeout)
		}
		switch s {
		case OK:
		case Again:
			c.own(-1)
			if c.Park(w.Now, c.server.idle) {
				return
			}
			c.own(1)
		case TimedOut:
			c.server.timedOut.Add(1)
			fallthrough
		default:
			c.own(-1)
			c.Close()
			return
		}
	}
}

func (s *echoServer) dial() (*net.TCPConn, error) {
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(s.addr))
	if err == nil {
		c.SetDeadline(time.Now().Add(2 * patience))
	}
	return c, err
}

// visit is what one client does: it sends total bytes of its own stream in some
// manner and checks what comes back.
type visit struct {
	r     *rand.Rand
	seed  uint64
	total int
}

// send writes the stream in pieces of at most max bytes.
func (v *visit) send(c io.Writer, max int) error {
	s := stream{v.seed}
	for left := v.total; left > 0; {
		n, err := c.Write(s.fill(make([]byte, min(left, 1+v.r.IntN(max)))))
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		left -= n
	}
	return nil
}

// receive reads n bytes and compares them.
func (v *visit) receive(c io.Reader, n int) error {
	s := stream{v.seed}
	b := make([]byte, n)
	got, err := io.ReadFull(c, b)
	return errors.Join(s.check(b[:got]), err)
}

// The manners of clients. Each returns nil if all went as it should.
var manners = map[string]func(v *visit, c *net.TCPConn) error{
	"split": func(v *visit, c *net.TCPConn) error {
		v.total = 1 + v.r.IntN(40)
		return errors.Join(v.send(c, 1), v.receive(c, v.total))
	},
	"turns": func(v *visit, c *net.TCPConn) error {
		out, in := stream{v.seed}, stream{v.seed}
		for range 1 + v.r.IntN(5) {
			b := make([]byte, 1+v.r.IntN(3000))
			if _, err := c.Write(out.fill(b)); err != nil {
				return err
			}
			if _, err := io.ReadFull(c, b); err != nil {
				return err
			}
			if err := in.check(b); err != nil {
				return err
			}
		}
		return nil
	},
	"pipelined": func(v *visit, c *net.TCPConn) error {
		sent := make(chan error, 1)
		go func() { sent <- v.send(c, v.total) }()
		return errors.Join(v.receive(c, v.total), <-sent)
	},
	"half-close": func(v *visit, c *net.TCPConn) error {
		v.total = 1 + v.r.IntN(2000)
		if err := errors.Join(v.send(c, v.total), c.CloseWrite(), v.receive(c, v.total)); err != nil {
			return err
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			return fmt.Errorf("after FIN: got %d bytes and %v, want EOF", n, err)
		}
		return nil
	},
	"early close": func(v *visit, c *net.TCPConn) error {
		v.send(c, v.total)
		return nil
	},
	"reset": func(v *visit, c *net.TCPConn) error {
		v.total = 1 + v.r.IntN(5000)
		v.send(c, v.total)
		v.receive(c, v.r.IntN(v.total))
		return c.SetLinger(0)
	},
	"silent": func(*visit, *net.TCPConn) error { return nil },
}

// churn lets clients come and go, in parallel and in every manner, so that
// descriptors are reused all the time. Only errors that tolerate does not
// accept are reported.
func churn(t *testing.T, s *echoServer, clients, visits int, tolerate func(error) bool) {
	t.Helper()
	var names []string
	for name := range manners {
		names = append(names, name)
	}
	var failed errs
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(i)))
			for j := range visits {
				name := names[r.IntN(len(names))]
				c, err := s.dial()
				if err != nil {
					failed.add(err)
					return
				}
				v := &visit{r: r, seed: uint64(i)<<32 | uint64(j), total: 1 + r.IntN(20000)}
				if err := manners[name](v, c); err != nil && !tolerate(err) {
					failed.add(fmt.Errorf("client %d, visit %d, %s: %w", i, j, name, err))
				}
				c.Close()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	within(t, "clients", done)
	failed.report(t)
	if n := s.twice.Load(); n != 0 {
		t.Errorf("%d times a connection had two owners", n)
	}
	await(t, "all connections closed", func() bool { return s.Conns() == 0 && s.Busy() == 0 })
}

func TestChurn(t *testing.T) {
	s := newEcho(t, newEngine(t, Options{Loops: 3}), time.Minute)
	churn(t, s, 20, 120, func(error) bool { return false })
	if s.expired.Load() != 0 || s.timedOut.Load() != 0 {
		t.Errorf("%d expired and %d timed out, though nobody was slow", s.expired.Load(), s.timedOut.Load())
	}
}

// The same while connections expire all the time, parked or just claimed. A
// client may find its connection closed; what it got is what it sent.
func TestChurnExpiry(t *testing.T) {
	fake := newFake()
	s := newEcho(t, newEngine(t, Options{Loops: 2, Clock: fake}), 300*time.Millisecond)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Microsecond):
				fake.Advance(tick)
			}
		}
	}()
	churn(t, s, 20, 120, func(err error) bool {
		return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
			errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	})
	close(stop)
	<-stopped
	if s.expired.Load() == 0 {
		t.Error("nothing expired: the test did not test it")
	}
}

// Stalled clients, which read nothing, cost others nothing and are cut off when
// their time is over.
func TestStalledClients(t *testing.T) {
	fake := newFake()
	s := newEcho(t, newEngine(t, Options{Loops: 1, Clock: fake}), 10000*time.Hour)
	var stalled []*net.TCPConn
	for range 8 {
		c, err := s.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetReadBuffer(64 << 10)
		stalled = append(stalled, c)
		go c.Write(make([]byte, 8<<20))
	}
	await(t, "workers that sleep on a full socket", func() bool {
		n := 0
		s.table.each(func(c *Conn) {
			if hasWaiter(c.w.Load()) {
				n++
			}
		})
		return n == len(stalled)
	})
	c, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	v := &visit{r: rand.New(rand.NewPCG(1, 1)), seed: 1, total: 100000}
	if err := manners["pipelined"](v, c); err != nil {
		t.Error(err)
	}
	// One stalled client reads on, and gets all that it sent.
	fake.Advance(s.writeTimeout / 2)
	io.CopyN(io.Discard, stalled[0], 8<<20)
	await(t, "stalled clients cut off", func() bool {
		// Again and again: a socket may have taken a last part meanwhile.
		fake.Advance(s.writeTimeout/2 + 2*tick)
		return s.timedOut.Load() == int64(len(stalled)-1)
	})
	await(t, "the others to stay", func() bool { return s.Conns() == 2 && s.Busy() == 0 })
}

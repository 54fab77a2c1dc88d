package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// drain drains and returns its error.
func (l *lab) drain(ctx context.Context) <-chan error {
	drained := make(chan error, 1)
	go func() { drained <- l.Drain(ctx) }()
	return drained
}

// TestDrain finishes what is in flight, ends what is idle, and refuses the rest.
func TestDrain(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	l := newLab(t, Options{})
	l.must(l.forward(a.addr))
	busy, idle, fresh := l.dial(), l.dial(), l.dial()
	idle.get("/", 200, "a")
	busy.send("/hold")
	<-a.held

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	drained := l.drain(ctx)
	l.await("the process is not ready", func() bool { return !l.Ready() && l.Status().Draining })
	l.await("the listener is closed", func() bool {
		c, err := dialTo(t, l.port)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	for name, c := range map[string]*client{"idle": idle, "fresh": fresh} {
		if _, err := c.r.ReadByte(); err == nil {
			t.Errorf("the %s connection had something to say", name)
		}
	}
	if err := l.reload(l.forward()); !errors.Is(err, ErrEnding) {
		t.Errorf("reload while draining: %v", err)
	}
	select {
	case err := <-drained:
		t.Fatalf("drained with a request in flight: %v", err)
	default:
	}
	close(a.release)
	if status, body, last, err := busy.receive(); status != 200 || body != "a" || !last || err != nil {
		t.Errorf("%d %q, last %v, %v", status, body, last, err)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if n := l.engine.Conns(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
	if err := l.Drain(ctx); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// TestDrainTimeout cuts what takes too long, and says so.
func TestDrainTimeout(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	l := newLab(t, Options{})
	l.must(l.forward(a.addr))
	busy := l.dial()
	busy.send("/hold")
	<-a.held
	ctx, cancel := context.WithCancel(t.Context())
	drained := l.drain(ctx)
	l.await("the drain has begun", func() bool { return !l.Ready() })
	cancel()
	if err := <-drained; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	l.Controller.Close()
	if _, err := busy.r.ReadByte(); err == nil {
		t.Error("a response, though the process ended")
	}
	close(a.release)
}

// TestDrainNothing ends at once when there is nobody to wait for.
func TestDrainNothing(t *testing.T) {
	l := newLab(t, Options{})
	if err := l.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	a := newTarget(t, "a", "127.0.0.1:0")
	l = newLab(t, Options{})
	l.must(l.forward(a.addr))
	c := l.dial()
	c.get("/", 200, "a")
	c.Close()
	l.await("only the target's connection is open", func() bool { return l.clients() == 0 && l.engine.Conns() == 1 })
	if err := l.Drain(t.Context()); err != nil || l.engine.Conns() != 0 {
		t.Errorf("%v, %d connections", err, l.engine.Conns())
	}
}

// TestDrainUnderLoad has clients that send request after request until they are
// told that their connection ends, and new ones that have just connected: none
// of their requests fails.
func TestDrainUnderLoad(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	l := newLab(t, Options{})
	l.must(l.forward(a.addr))
	const clients = 32
	var answered atomic.Int64
	var done sync.WaitGroup
	for range clients {
		c := l.dial()
		done.Go(func() {
			for last := false; !last; {
				var status int
				var err error
				if _, err = fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err == nil {
					status, _, last, err = c.receive()
				}
				if err != nil || status != 200 {
					t.Errorf("status %d, %v", status, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	l.await("load", func() bool { return answered.Load() > 20*clients || t.Failed() })
	late := l.dial()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	drained := l.drain(ctx)
	l.await("the drain has begun", func() bool { return !l.Ready() })
	late.get("/", 200, "a")
	done.Wait()
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// TestClose ends everything, whatever is under way.
func TestClose(t *testing.T) {
	a := newTarget(t, "a", "127.0.0.1:0")
	l := newLab(t, Options{})
	l.must(l.forward(a.addr))
	busy, idle := l.dial(), l.dial()
	idle.get("/", 200, "a")
	busy.send("/hold")
	<-a.held
	l.Controller.Close()
	for _, c := range []*client{busy, idle} {
		if _, err := c.r.ReadByte(); err == nil {
			t.Error("something to say")
		}
	}
	close(a.release)
	if err := l.reload(l.forward(a.addr)); !errors.Is(err, ErrEnding) {
		t.Errorf("%v", err)
	}
	if l.Ready() || l.ReopenLogs() != nil {
		t.Error("not closed")
	}
	l.Status()
	l.series("elbow")
	l.Controller.Close()
}

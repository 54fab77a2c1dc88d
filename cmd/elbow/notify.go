package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/elbow-lb/elbow/internal/control"
)

// notifier tells the service manager how the daemon is doing, by the protocol of
// sd_notify(3). Without a service manager that wants to know it does nothing.
type notifier struct {
	conn *net.UnixConn // nil: nobody to tell

	mu       sync.Mutex // keeps the order of messages; guards what follows
	stopping bool       // after which no other state is true any more
}

// newNotifier connects to the socket that the environment names, if any.
func newNotifier() (*notifier, error) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return &notifier{}, nil
	}
	// A leading "@" stands for the abstract namespace, here and there.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		return &notifier{}, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return &notifier{conn: conn}, nil
}

// tell sends one message. One that is lost cannot be helped: the manager that
// does not read is the one that would have to be told.
func (n *notifier) tell(message string) {
	if n.conn != nil {
		n.conn.Write([]byte(message))
	}
}

// enter tells a state that the daemon is in from now on.
func (n *notifier) enter(message string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.stopping {
		n.tell(message)
	}
}

func (n *notifier) ready(s control.Status) { n.enter("READY=1\nSTATUS=" + summary(s)) }

// reloading must be followed by ready, also when the reload is rejected.
func (n *notifier) reloading() {
	// systemd compares this with its own clock to tell this reload from an
	// earlier one (Type=notify-reload).
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		n.enter("RELOADING=1")
		return
	}
	n.enter(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/int64(time.Microsecond)))
}

// stop tells the last state.
func (n *notifier) stop(s control.Status) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stopping = true
	n.tell("STOPPING=1\nSTATUS=" + summary(s))
}

// statusInterval is how often the service manager is told anew.
const statusInterval = 5 * time.Second

// follow keeps the status line current until ctx ends.
func (n *notifier) follow(ctx context.Context, status func() control.Status) {
	if n.conn == nil {
		return
	}
	tick := time.NewTicker(statusInterval)
	defer tick.Stop()
	told := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if now := summary(status()); now != told {
				n.tell("STATUS=" + now)
				told = now
			}
		}
	}
}

// summary is the state in one line.
func summary(s control.Status) string {
	listeners, healthy, targets := 0, 0, 0
	for _, lb := range s.LoadBalancers {
		listeners += len(lb.Listeners)
	}
	for _, g := range s.TargetGroups {
		healthy += g.Healthy
		targets += len(g.Targets)
	}
	state := "ready"
	switch {
	case s.Draining:
		state = "draining"
	case !s.Config.LastOK:
		state = "ready, last reload rejected"
	}
	return fmt.Sprintf("%s: %s, %d of %s healthy, %s", state,
		count(listeners, "listener"), healthy, count(targets, "target"), count(s.Connections, "connection"))
}

// count is n with its noun: "1 target", "2 targets".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

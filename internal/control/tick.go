package control

import (
	"sync"

	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/internal/clock"
)

// ticker tells the balancer the time, which has no clock of its own: shares in
// slow start grow with it, and anomalies are looked for. It is one timer on the controller's clock.
type ticker struct {
	live  *balancer.Live
	clock clock.Clock

	mu    sync.Mutex // guards the fields below; not held during a tick
	timer clock.Timer
	ended bool
}

func startTicker(live *balancer.Live, c clock.Clock) *ticker {
	t := &ticker{live: live, clock: c}
	live.Tick(c.Now())
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = c.AfterFunc(balancer.TickInterval, t.tick)
	return t
}

func (t *ticker) tick() {
	t.live.Tick(t.clock.Now())
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.timer.Reset(balancer.TickInterval)
	}
}

// stop ends the ticks. One that is under way goes on; it touches nothing but the
// snapshot.
func (t *ticker) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.timer.Stop()
}

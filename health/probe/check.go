package probe

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/elbow-lb/elbow/health"
)

// onDue is the schedule's timer: something is due.
func (m *Manager[K]) onDue() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.schedule.armed = time.Time{}
	if !m.closed {
		m.launchLocked(m.opt.Clock.Now())
	}
}

// launchLocked starts the checks that are due and sets the timer for the next.
func (m *Manager[K]) launchLocked(now time.Time) {
	for e := m.schedule.popDue(now); e != nil; e = m.schedule.popDue(now) {
		if m.inFlight == 0 {
			m.idle = make(chan struct{})
		}
		m.inFlight++
		if m.running == m.opt.MaxInFlight {
			m.queue = append(m.queue, e)
			continue
		}
		m.running++
		m.checks.Add(1)
		go m.work(e)
	}
	m.schedule.arm(now)
}

// work checks e, and then one after the other what waits in the queue.
func (m *Manager[K]) work(e *entry[K]) {
	defer m.checks.Done()
	for e != nil {
		m.check(e)
		e = m.finish(e)
	}
}

// check makes one check of e and tells everyone of its outcome.
func (m *Manager[K]) check(e *entry[K]) {
	m.mu.Lock()
	if e.gone {
		m.mu.Unlock()
		return
	}
	ctx, cancel := context.WithTimeout(m.ctx, e.policy.Timeout)
	e.cancel = cancel
	m.mu.Unlock()

	r := e.prober.Probe(ctx)
	cancel()

	m.mu.Lock()
	e.cancel = nil
	if e.gone {
		m.mu.Unlock()
		return
	}
	changed := e.tracker.Observe(r)
	if changed {
		e.since = m.opt.Clock.Now()
	}
	e.publish()
	trouble := r.Reason == health.ElbInternalError
	newTrouble := trouble && !e.trouble
	e.trouble = trouble
	m.mu.Unlock()

	if m.opt.OnResult != nil {
		m.opt.OnResult(e.spec.Key, r)
	}
	switch {
	case changed:
		m.logChange(e, r)
		if m.opt.OnChange != nil {
			m.opt.OnChange(e.spec.Key)
		}
	case newTrouble:
		m.opt.Log.Warn("health check could not be made", zap.Any("target", e.spec.Key),
			zap.Stringer("address", e.spec.addr()), zap.String("detail", r.Detail))
	}
}

// finish plans the next check of e and returns what the goroutine is to check
// next, nil when there is nothing.
func (m *Manager[K]) finish(e *entry[K]) (next *entry[K]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !e.gone {
		now := m.opt.Clock.Now()
		e.due = m.schedule.tick(e, now)
		m.schedule.add(e)
		m.schedule.arm(now)
	}
	m.inFlight--
	if m.inFlight == 0 {
		close(m.idle)
	}
	if len(m.queue) > 0 {
		next, m.queue[0] = m.queue[0], nil
		m.queue = m.queue[1:]
		return next
	}
	m.running--
	return nil
}

func (m *Manager[K]) logChange(e *entry[K], r health.Result) {
	fields := []zap.Field{
		zap.Any("target", e.spec.Key),
		zap.Stringer("address", e.spec.addr()),
		zap.Duration("latency", r.Latency),
	}
	if r.StatusCode != 0 {
		fields = append(fields, zap.Int("status_code", r.StatusCode))
	}
	if r.OK {
		m.opt.Log.Info("target healthy", fields...)
		return
	}
	fields = append(fields, zap.Stringer("reason", r.Reason), zap.String("detail", r.Detail))
	m.opt.Log.Warn("target unhealthy", fields...)
}

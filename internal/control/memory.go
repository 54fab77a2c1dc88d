package control

import (
	"runtime/debug"
	"runtime/metrics"
	"time"

	"go.uber.org/zap"

	"github.com/elbow-lb/elbow/listener/application"
)

// The shares of Options.MemoryLimit, in percent, from which on connections are
// not kept any more and requests are refused, and how far below each it has to
// come again (Envoy's overload manager acts at the same).
const (
	closeAt     = 92
	refuseAt    = 95
	memoryBelow = 2
)

// memoryInterval is how often memory is looked at; collectInterval how often, at
// most, garbage is collected for want of memory.
const (
	memoryInterval  = 100 * time.Millisecond
	collectInterval = 10 * time.Second
)

// memoryWatch keeps the process below its memory limit: near it the server stops
// taking on work.
type memoryWatch struct {
	limit     int64
	used      func() int64
	collect   func()
	set       func(application.Pressure)
	log       *zap.Logger
	level     application.Pressure
	collected time.Time
}

// watchMemory is a goroutine of the controller's.
func (c *Controller) watchMemory(w *memoryWatch) {
	defer close(c.watched)
	if w.limit <= 0 {
		return
	}
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	for {
		select {
		case <-c.closing:
			return
		case now := <-tick.C:
			w.look(now)
		}
	}
}

// look acts on how much is used. Before connections suffer garbage is collected:
// much of what is used may be.
func (w *memoryWatch) look(now time.Time) {
	used := w.used()
	level := w.levelAt(used)
	if level > w.level && now.Sub(w.collected) >= collectInterval {
		w.collected = now
		w.collect()
		used = w.used()
		level = w.levelAt(used)
	}
	if level == w.level {
		return
	}
	fields := []zap.Field{zap.Int64("used_bytes", used), zap.Int64("limit_bytes", w.limit)}
	switch level {
	case application.PressureNone:
		w.log.Info("memory is enough again", fields...)
	case application.PressureClose:
		w.log.Warn("memory is short: responses close their connections", fields...)
	case application.PressureRefuse:
		w.log.Error("memory is nearly used up: requests are answered 503", fields...)
	}
	w.level = level
	w.set(level)
}

// levelAt is what is to be done when so much is used.
func (w *memoryWatch) levelAt(used int64) application.Pressure {
	over := func(level application.Pressure, share int64) bool {
		if w.level >= level {
			share -= memoryBelow
		}
		return used >= w.limit/100*share
	}
	switch {
	case over(application.PressureRefuse, refuseAt):
		return application.PressureRefuse
	case over(application.PressureClose, closeAt):
		return application.PressureClose
	}
	return application.PressureNone
}

// runtimeMemory is what the Go runtime has from the system, which is what
// debug.SetMemoryLimit limits.
func runtimeMemory() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64() - s[1].Value.Uint64())
}

// newMemoryWatch returns the watch that opt asks for.
func newMemoryWatch(opt *Options, set func(application.Pressure), log *zap.Logger) *memoryWatch {
	w := &memoryWatch{limit: opt.MemoryLimit, used: opt.MemoryUsed, collect: debug.FreeOSMemory, set: set, log: log}
	if w.used == nil {
		w.used = runtimeMemory
	}
	return w
}

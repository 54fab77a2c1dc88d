package control

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/accesslog"
)

// retireDelay is how long an access log that was replaced stays open. A request
// that ends looks up the log and appends to it at once, so whoever still holds
// the old one does so for microseconds.
const retireDelay = time.Second

// closeLogTimeout is how long the writer of an access log that is closed may take
// for what it has.
const closeLogTimeout = 5 * time.Second

// openAccess opens the access log that cfg asks for, or returns the one that is
// open if it is the same. The caller holds change.
func (c *Controller) openAccess(cfg config.AccessLog) (*accesslog.Log, error) {
	switch {
	case cfg.File == "":
		return nil, nil
	case c.access != nil && cfg == c.accessAs:
		return c.access, nil
	}
	format := accesslog.FormatELB
	if cfg.Format == config.FormatJSON {
		format = accesslog.FormatJSON
	}
	l, err := accesslog.Open(accesslog.Options{
		Path: cfg.File, Format: format, Shards: c.engine.Loops(),
		OnError: func(err error) { c.log.Warn("access log", zap.Error(err)) },
	})
	if err != nil {
		return nil, fmt.Errorf("access_log.file: %w", err)
	}
	return l, nil
}

// useAccess makes requests be logged to l, or nowhere if it is nil, and closes
// the log before it a little later. The caller holds change.
func (c *Controller) useAccess(l *accesslog.Log) {
	old := c.access
	if l == old {
		return
	}
	c.server.SetAccessLog(l)
	c.mu.Lock()
	c.access = l
	if old != nil {
		c.retiring = append(c.retiring, old)
	}
	c.mu.Unlock()
	if old != nil {
		c.retired.Go(func() { c.retireAccess(old) })
	}
}

// retireAccess is the goroutine that closes a log that was replaced. It ends
// early when the Controller closes.
func (c *Controller) retireAccess(l *accesslog.Log) {
	select {
	case <-time.After(retireDelay):
	case <-c.closing:
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeLogTimeout)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		c.log.Warn("close an access log", zap.Error(err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped += l.Dropped()
	c.retiring = slices.DeleteFunc(c.retiring, func(r *accesslog.Log) bool { return r == l })
}

// droppedLocked is how many lines were dropped by all access logs so far.
func (c *Controller) droppedLocked() uint64 {
	n := c.dropped
	for _, l := range c.retiring {
		n += l.Dropped()
	}
	if c.access != nil {
		n += c.access.Dropped()
	}
	return n
}

// ReopenLogs opens the access log file anew, for log rotation. It may wait for a
// disk that stalls, and holds nothing meanwhile that a reload or a drain needs.
func (c *Controller) ReopenLogs() error {
	for {
		l := c.accessLog()
		if l == nil {
			return nil
		}
		// One that was replaced meanwhile is closed. What replaced it may have
		// been opened before the rotation.
		if err := l.Reopen(); err == nil || c.accessLog() == l {
			return err
		}
	}
}

// accessLog returns the access log in use, or nil.
func (c *Controller) accessLog() *accesslog.Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.access
}

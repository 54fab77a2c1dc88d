package main

import (
	"io"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/elbow-lb/elbow/config"
)

// daemonLog is the daemon's log, whose level and format a reload may change.
type daemonLog struct {
	*zap.Logger
	level zap.AtomicLevel
	json  atomic.Bool
}

// newLog returns a log that writes to w. It is JSON, from info upwards, until a
// configuration says otherwise.
func newLog(w io.Writer) *daemonLog {
	l := &daemonLog{level: zap.NewAtomicLevel()}
	l.json.Store(true)
	sink := zapcore.Lock(zapcore.AddSync(w))
	e := zap.NewProductionEncoderConfig()
	e.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	e.EncodeDuration = zapcore.StringDurationEncoder
	c := e
	c.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00")
	c.EncodeLevel = zapcore.CapitalLevelEncoder
	// Both formats are there; one of them is on.
	enabled := func(json bool) zap.LevelEnablerFunc {
		return func(at zapcore.Level) bool { return l.json.Load() == json && l.level.Enabled(at) }
	}
	l.Logger = zap.New(zapcore.NewTee(
		zapcore.NewCore(zapcore.NewJSONEncoder(e), sink, enabled(true)),
		zapcore.NewCore(zapcore.NewConsoleEncoder(c), sink, enabled(false)),
	))
	return l
}

// configure sets level and format from now on.
func (l *daemonLog) configure(cfg config.Log) {
	if level, err := zapcore.ParseLevel(cfg.Level); err == nil { // config accepts no other words
		l.level.SetLevel(level)
	}
	l.json.Store(cfg.Format == "json")
}

package accesslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// writer is the goroutine that empties the shards. Its fields are its own.
type writer struct {
	log *Log
	out *output

	// stalled is the buffer that a failed write left, and what of it is still
	// to be written. Nothing else is written before it: it may start in the
	// middle of a line.
	stalled struct {
		shard *shard
		buf   []byte // nil when nothing is stalled
		off   int
	}

	writeErrors  limiter
	drops        limiter
	droppedKnown uint64 // as last reported
}

// run writes until Close. A buffer is written when it is half full, or when
// the flush interval is over.
func (w *writer) run() {
	l := w.log
	defer close(l.done)
	tick := time.NewTicker(l.opts.FlushInterval)
	defer tick.Stop()
	for {
		select {
		case <-l.wake:
			w.drain(l.opts.BufferBytes / 2)
		case <-tick.C:
			w.drain(0)
		case answer := <-l.flush:
			answer <- w.drain(0)
		case r := <-l.reopen:
			w.drain(0) // what the old file does not take goes to the new one
			w.changeTo(r.out)
			close(r.taken)
		case ctx := <-l.stop:
			l.result = w.finish(ctx)
			return
		}
	}
}

// drain writes every buffer that is full or has at least min bytes: at most
// two per shard, so that one busy shard does not keep the others waiting.
func (w *writer) drain(min int) error {
	err := w.resume()
	for i := 0; i < len(w.log.shards) && err == nil; i++ {
		err = w.drainShard(&w.log.shards[i], min)
	}
	w.report(err)
	return err
}

func (w *writer) drainShard(s *shard, min int) error {
	for range 2 {
		b := s.take(min)
		if b == nil {
			return nil
		}
		w.stalled.shard, w.stalled.buf, w.stalled.off = s, b, 0
		if err := w.resume(); err != nil {
			return err
		}
	}
	return nil
}

// resume writes what is stalled, if anything, and gives the buffer back.
func (w *writer) resume() error {
	st := &w.stalled
	if st.buf == nil {
		return nil
	}
	n, err := w.out.write(st.buf[st.off:])
	w.log.lines.Add(countLines(st.buf[st.off : st.off+n]))
	st.off += n
	if err != nil {
		return err
	}
	st.shard.give(st.buf)
	st.buf = nil
	return nil
}

// changeTo goes on with another file. The rest of a line that was begun in the
// old one does not go to the new one.
func (w *writer) changeTo(out *output) {
	w.out.close()
	w.out = out
	st := &w.stalled
	if st.buf != nil && st.off > 0 && st.buf[st.off-1] != '\n' {
		st.off += firstNewline(st.buf[st.off:]) + 1
		w.log.dropped.Add(1)
	}
}

// finish writes all that is left. It gives up at the first error, except that
// it waits for a slow pipe as long as ctx allows.
func (w *writer) finish(ctx context.Context) error {
	err := w.drain(0)
	for errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
		err = w.drain(0)
	}
	if err != nil {
		w.discard()
	}
	w.out.close()
	return err
}

// discard counts all that is buffered as dropped.
func (w *writer) discard() {
	lost := uint64(0)
	if st := &w.stalled; st.buf != nil {
		lost += countLines(st.buf[st.off:])
		st.shard.give(st.buf)
		st.buf = nil
	}
	for i := range w.log.shards {
		s := &w.log.shards[i]
		for b := s.take(0); b != nil; b = s.take(0) {
			lost += countLines(b)
			s.give(b)
		}
	}
	w.log.dropped.Add(lost)
}

// report tells OnError of a failed write and of lines dropped since the last
// report.
func (w *writer) report(err error) {
	now := time.Now()
	if err != nil && w.writeErrors.allow(now) {
		w.log.opts.OnError(err)
	}
	dropped := w.log.Dropped()
	if dropped != w.droppedKnown && w.drops.allow(now) {
		n := dropped - w.droppedKnown
		w.droppedKnown = dropped
		w.log.opts.OnError(fmt.Errorf("access log %s: %d lines dropped", w.out.path, n))
	}
}

// limiter lets one event through per reportInterval.
type limiter struct{ last time.Time }

func (l *limiter) allow(now time.Time) bool {
	if !l.last.IsZero() && now.Sub(l.last) < reportInterval {
		return false
	}
	l.last = now
	return true
}

func countLines(b []byte) uint64 { return uint64(bytes.Count(b, []byte{'\n'})) }
func firstNewline(b []byte) int  { return bytes.IndexByte(b, '\n') }
func lastNewline(b []byte) int   { return bytes.LastIndexByte(b, '\n') }

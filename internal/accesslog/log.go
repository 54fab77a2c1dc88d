package accesslog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Format is how a line is written.
type Format uint8

const (
	FormatELB  Format = iota // ELB's access log format, fields separated by spaces
	FormatJSON               // one JSON object per line
)

// Defaults of Options.
const (
	DefaultBufferBytes   = 128 << 10
	DefaultFlushInterval = 500 * time.Millisecond
)

// reportInterval is how often OnError hears of a trouble that goes on.
const reportInterval = time.Minute

// Options says where and how lines are written.
type Options struct {
	// Path is the file to append to, created with mode 0640 when it does not
	// exist, or "stdout". A named pipe must have a reader.
	Path string

	// Format of the lines; the zero value is ELB's.
	Format Format

	// Shards is how many event loops append; zero means 1.
	Shards int

	// BufferBytes is the size of a buffer; each shard has two. Zero means
	// DefaultBufferBytes; values too small for the longest line are raised.
	BufferBytes int

	// FlushInterval is how long a line waits at most until it is written; zero
	// means DefaultFlushInterval.
	FlushInterval time.Duration

	// OnError, when not nil, hears of failed writes and of dropped lines: of
	// the first at once, then of each kind at most once per minute. It is
	// called on the writer's goroutine, which does not write meanwhile.
	OnError func(error)
}

// Log writes records to a file, a pipe or standard output.
type Log struct {
	// Immutable after Open.
	opts   Options
	shards []shard
	wake   chan struct{}        // capacity 1: a buffer is half full
	flush  chan chan<- error    // Flush asks, the writer answers
	reopen chan reopened        // Reopen gives, the writer takes
	stop   chan context.Context // capacity 1: Close asks
	done   chan struct{}        // closed when the writer has returned
	result error                // of the writer; valid once done is closed

	dropped atomic.Uint64
	lines   atomic.Uint64 // written in full

	closed atomic.Bool // Close has been called
}

// shard is the part of a Log that one event loop appends to.
type shard struct {
	mu     sync.Mutex // guards the fields below; held while a line is formatted
	active []byte     // lines go here; its capacity never changes
	full   []byte     // waits for the writer; nil when there is none
	spare  []byte     // empty; nil while the writer has it, or while full is not nil
	times  stamper
	closed bool

	_ [128]byte // the next shard belongs to another loop
}

// Open opens the log and starts its writer; Close stops it.
func Open(opts Options) (*Log, error) {
	opts.Shards = max(opts.Shards, 1)
	if opts.BufferBytes == 0 {
		opts.BufferBytes = DefaultBufferBytes
	}
	opts.BufferBytes = max(opts.BufferBytes, maxLine)
	if opts.FlushInterval <= 0 {
		opts.FlushInterval = DefaultFlushInterval
	}
	if opts.OnError == nil {
		opts.OnError = func(error) {}
	}
	out, err := openOutput(opts.Path)
	if err != nil {
		return nil, err
	}
	l := &Log{
		opts:   opts,
		shards: make([]shard, opts.Shards),
		wake:   make(chan struct{}, 1),
		flush:  make(chan chan<- error),
		reopen: make(chan reopened),
		stop:   make(chan context.Context, 1),
		done:   make(chan struct{}),
	}
	for i := range l.shards {
		l.shards[i].active = make([]byte, 0, opts.BufferBytes)
		l.shards[i].spare = make([]byte, 0, opts.BufferBytes)
	}
	w := &writer{log: l, out: out}
	go w.run()
	return l, nil
}

// Append adds the line of r to the log, on behalf of event loop i, which must
// be below Options.Shards. It may be called by any goroutine, but shards are
// meant to be used by one loop each. It neither allocates nor waits for I/O:
// when the buffers are full, or the log is closed, the line is dropped and
// counted. r is not kept.
func (l *Log) Append(i int, r *Record) {
	s := &l.shards[i]
	s.mu.Lock()
	if s.closed || !s.makeRoom(r, l.opts.Format) {
		s.mu.Unlock()
		l.dropped.Add(1)
		return
	}
	before := len(s.active)
	if l.opts.Format == FormatJSON {
		s.active = appendJSON(s.active, r, &s.times)
	} else {
		s.active = appendELB(s.active, r, &s.times)
	}
	half := cap(s.active) / 2
	wake := before < half && len(s.active) >= half
	s.mu.Unlock()
	if wake {
		l.signal()
	}
}

// makeRoom sees to it that the line of r fits into the active buffer, and
// reports whether it does.
func (s *shard) makeRoom(r *Record, f Format) bool {
	free := cap(s.active) - len(s.active)
	if free >= maxLine {
		return true
	}
	growth := len(`\xNN`)
	if f == FormatJSON {
		growth = len(`\uNNNN`)
	}
	if free >= r.room(growth) {
		return true
	}
	if s.spare == nil {
		return false
	}
	s.full, s.active, s.spare = s.active, s.spare, nil
	return true
}

// take returns the buffer to be written next, or nil when there is none with
// at least min bytes. Give it back with give.
func (s *shard) take(min int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.full; b != nil {
		s.full = nil
		return b
	}
	if s.spare == nil || len(s.active) == 0 || len(s.active) < min {
		return nil
	}
	b := s.active
	s.active, s.spare = s.spare, nil
	return b
}

// give returns a buffer that was taken.
func (s *shard) give(b []byte) {
	s.mu.Lock()
	s.spare = b[:0]
	s.mu.Unlock()
}

// signal wakes the writer, unless it has been woken already.
func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Reopen opens the path anew, for the rotation of log files: lines appended
// before the call are in the old file when it returns, unless they could not
// be written to it, and later ones go to the new file. When the path cannot be
// opened the old file stays in use. Standard output is left as it is.
func (l *Log) Reopen() error {
	if l.opts.Path == Stdout {
		return nil
	}
	out, err := openOutput(l.opts.Path)
	if err != nil {
		return err
	}
	r := reopened{out: out, taken: make(chan struct{})}
	select {
	case l.reopen <- r:
		<-r.taken
		return nil
	case <-l.done:
		out.close()
		return errors.New("reopen access log: it is closed")
	}
}

// reopened is a file that the writer is to go on with.
type reopened struct {
	out   *output
	taken chan struct{} // the writer closes it when it has changed over
}

// Flush writes what was appended before the call, and returns the error that
// kept it from doing so. It waits for I/O and is meant for tests and tools.
func (l *Log) Flush() error {
	answer := make(chan error, 1)
	select {
	case l.flush <- answer:
		return <-answer
	case <-l.done:
		return l.result
	}
}

// Close writes what is buffered, stops the writer and closes the file. When
// ctx ends first, because whoever reads the pipe stands still, the lines that
// are left are lost and counted as dropped. Lines appended during and after
// Close are dropped. A second call waits for the first.
func (l *Log) Close(ctx context.Context) error {
	if l.closed.CompareAndSwap(false, true) {
		for i := range l.shards {
			s := &l.shards[i]
			s.mu.Lock()
			s.closed = true
			s.mu.Unlock()
		}
		l.stop <- ctx
	}
	select {
	case <-l.done:
		return l.result
	case <-ctx.Done():
		return fmt.Errorf("close access log %s: %w", l.opts.Path, ctx.Err())
	}
}

// Dropped returns how many lines were lost since Open.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// Lines returns how many lines were written since Open.
func (l *Log) Lines() uint64 { return l.lines.Load() }

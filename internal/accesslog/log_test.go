package accesslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openTest opens a log and closes it at the end of the test.
func openTest(t *testing.T, opts Options) *Log {
	t.Helper()
	if opts.FlushInterval == 0 {
		opts.FlushInterval = time.Hour // only Flush and full buffers write
	}
	l, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(context.Background()) })
	return l
}

// numbered returns a record that a reader of the log can recognise.
func numbered(n int, agent string) *Record {
	r := forwarded()
	r.URI = fmt.Appendf(nil, "/%d", n)
	r.UserAgent = []byte(agent)
	return &r
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// checkLines verifies that text is whole lines and returns how many.
func checkLines(t *testing.T, text string) (n uint64) {
	t.Helper()
	for line := range strings.Lines(text) {
		if fields, err := splitLine([]byte(line)); err != nil || len(fields) != Fields {
			t.Fatalf("line %d is torn or mixed (%d fields, %v): %.300q", n+1, len(fields), err, line)
		}
		n++
	}
	return n
}

func TestAppendFromManyLoops(t *testing.T) {
	const loops, each = 4, 5000
	path := filepath.Join(t.TempDir(), "access.log")
	l := openTest(t, Options{Path: path, Shards: loops})
	var wg sync.WaitGroup
	for i := range loops {
		for range 2 { // two goroutines of the same loop
			wg.Go(func() {
				for n := range each {
					l.Append(i, numbered(n, strings.Repeat("u", n%300)))
				}
			})
		}
	}
	wg.Wait()
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	got := checkLines(t, readFile(t, path))
	if got != l.Lines() || got+l.Dropped() != 2*loops*each {
		t.Errorf("%d lines in the file, %d counted, %d dropped, %d appended", got, l.Lines(), l.Dropped(), 2*loops*each)
	}
}

func TestFlushInterval(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	synctest.Test(t, func(t *testing.T) {
		l := openTest(t, Options{Path: path, FlushInterval: 300 * time.Millisecond})
		l.Append(0, numbered(1, ""))
		time.Sleep(299 * time.Millisecond)
		synctest.Wait()
		if n := l.Lines(); n != 0 {
			t.Errorf("%d lines before the interval is over", n)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if n := checkLines(t, readFile(t, path)); n != 1 {
			t.Errorf("%d lines after the interval", n)
		}
		l.Close(t.Context())
	})
}

func TestHalfFullBufferIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	synctest.Test(t, func(t *testing.T) {
		l := openTest(t, Options{Path: path})
		agent := strings.Repeat("u", 4096)
		for n := range DefaultBufferBytes/2/4096 + 1 {
			l.Append(0, numbered(n, agent))
		}
		synctest.Wait()
		if l.Lines() == 0 {
			t.Error("nothing written though the buffer is half full")
		}
		l.Close(t.Context())
	})
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	path, old := filepath.Join(dir, "access.log"), filepath.Join(dir, "access.log.1")
	l := openTest(t, Options{Path: path})
	l.Append(0, numbered(1, "first"))
	if err := os.Rename(path, old); err != nil {
		t.Fatal(err)
	}
	for range 2 { // twice without a line between
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	l.Append(0, numbered(2, "second"))
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if s := readFile(t, old); !strings.Contains(s, "first") || strings.Contains(s, "second") {
		t.Errorf("old file: %s", s)
	}
	if s := readFile(t, path); strings.Contains(s, "first") || !strings.Contains(s, "second") {
		t.Errorf("new file: %s", s)
	}

	if err := os.Rename(path, filepath.Join(dir, "access.log.2")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); !errors.Is(err, unix.EISDIR) || !strings.Contains(err.Error(), path) {
		t.Errorf("Reopen of a directory: %v", err)
	}
	l.Append(0, numbered(3, "third"))
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if s := readFile(t, filepath.Join(dir, "access.log.2")); !strings.Contains(s, "third") {
		t.Error("a failed Reopen must leave the old file in use")
	}
}

func TestReopenInMidLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	l := openTest(t, Options{Path: path})
	torn, err := openOutput(filepath.Join(t.TempDir(), "old.log"))
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{log: &Log{opts: l.opts, shards: make([]shard, 1)}, out: torn}
	next, err := openOutput(path)
	if err != nil {
		t.Fatal(err)
	}
	defer next.close()
	buf := appendELB(nil, numbered(1, "torn"), new(stamper))
	w.stalled.off = len(buf) - 10
	w.stalled.buf = appendELB(buf, numbered(2, "whole"), new(stamper))
	w.stalled.shard = &w.log.shards[0]
	w.changeTo(next)
	if err := w.drain(0); err != nil {
		t.Fatal(err)
	}
	if n := checkLines(t, readFile(t, path)); n != 1 || w.log.Dropped() != 1 {
		t.Errorf("%d lines in the new file, %d dropped, want 1 and 1", n, w.log.Dropped())
	}
}

func TestOpenErrors(t *testing.T) {
	f := func(path string, want error) {
		t.Helper()
		l, err := Open(Options{Path: path})
		if !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%s): %v, want %v and the path", path, err, want)
		}
		if l != nil {
			l.Close(context.Background())
		}
	}
	dir := t.TempDir()
	f(filepath.Join(dir, "missing", "access.log"), unix.ENOENT)
	f(dir, unix.EISDIR)
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	f(fifo, unix.ENXIO)
}

// TestFullDisk uses /dev/full, every write to which fails as on a full disk.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var all []error
		reports := func() []error {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(all)
		}
		l, err := Open(Options{Path: "/dev/full", FlushInterval: time.Second, OnError: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, err)
		}})
		if err != nil {
			t.Skip(err)
		}
		agent := strings.Repeat("u", 4096)
		const appended = 200
		for n := range appended {
			l.Append(0, numbered(n, agent))
		}
		time.Sleep(30 * time.Second) // thirty attempts
		synctest.Wait()
		if l.Dropped() == 0 || l.Dropped() >= appended {
			t.Errorf("%d of %d dropped: the buffers hold some", l.Dropped(), appended)
		}
		if got := reports(); len(got) != 2 || !errors.Is(got[0], unix.ENOSPC) || !strings.Contains(got[1].Error(), "lines dropped") {
			t.Errorf("reports: %v", got)
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		// The writer may have reported the first drops while lines were still
		// being appended; then the minute lets it report the rest as well.
		got := reports()
		more := len(got) == 4 && strings.Contains(got[3].Error(), "lines dropped")
		if len(got) != 3 && !more || !errors.Is(got[2], unix.ENOSPC) {
			t.Errorf("reports after a minute: %v", got)
		}
		if err := l.Flush(); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("Flush: %v", err)
		}
		if err := l.Close(t.Context()); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("Close: %v", err)
		}
		if l.Dropped() != appended || l.Lines() != 0 {
			t.Errorf("%d dropped, %d written, want %d and 0", l.Dropped(), l.Lines(), appended)
		}
	})
}

// fifo returns a named pipe and its reading end.
func fifo(t *testing.T) (path string, reader *os.File) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	return path, reader
}

// fillUntilDropped appends until both buffers and the pipe are full. Lines
// longer than the pipe's atomic write make writes partial.
func fillUntilDropped(t *testing.T, l *Log) (appended uint64) {
	t.Helper()
	for l.Dropped() == 0 {
		if appended > 1e5 {
			t.Fatal("a pipe that nobody reads never filled up")
		}
		l.Append(0, numbered(int(appended), strings.Repeat("u", int(appended*7919%6000))))
		appended++
	}
	return appended
}

func TestBlockedPipeRecovers(t *testing.T) {
	path, reader := fifo(t)
	l := openTest(t, Options{Path: path})
	appended := fillUntilDropped(t, l)

	var text []byte
	read := make(chan error)
	go func() {
		var err error
		text, err = io.ReadAll(reader)
		read <- err
	}()
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	got := checkLines(t, string(text))
	if got != l.Lines() || got+l.Dropped() != appended {
		t.Errorf("%d read, %d counted, %d dropped, %d appended", got, l.Lines(), l.Dropped(), appended)
	}
}

func TestCloseGivesUpOnBlockedPipe(t *testing.T) {
	path, reader := fifo(t)
	l := openTest(t, Options{Path: path})
	appended := fillUntilDropped(t, l)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Close(ctx); err == nil {
		t.Error("Close succeeded though nobody reads")
	}
	<-l.done // the writer gives up by itself
	text := make([]byte, 1<<20)
	n, err := reader.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	if whole := countLines(text[:n]); whole != l.Lines() || whole+l.Dropped() != appended {
		t.Errorf("%d whole lines read, %d counted, %d dropped, %d appended", whole, l.Lines(), l.Dropped(), appended)
	}
}

func TestBrokenPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	o := &output{path: Stdout, fd: int(w.Fd())}
	if _, err := o.write([]byte("line\n")); !errors.Is(err, unix.EPIPE) {
		t.Errorf("write: %v, want EPIPE", err)
	}
}

func TestStdout(t *testing.T) {
	l := openTest(t, Options{Path: Stdout})
	if err := l.Reopen(); err != nil {
		t.Error(err)
	}
	if err := l.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := unix.FcntlInt(uintptr(unix.Stdout), unix.F_GETFD, 0); err != nil {
		t.Errorf("Close closed standard output itself: %v", err)
	}
}

func TestAfterClose(t *testing.T) {
	l := openTest(t, Options{Path: filepath.Join(t.TempDir(), "access.log")})
	for range 2 {
		if err := l.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	l.Append(0, numbered(1, ""))
	if l.Dropped() != 1 {
		t.Errorf("%d dropped, want 1", l.Dropped())
	}
	if err := l.Flush(); err != nil {
		t.Errorf("Flush: %v", err)
	}
	if err := l.Reopen(); err == nil {
		t.Error("Reopen succeeded")
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	for _, format := range []Format{FormatELB, FormatJSON} {
		l := &Log{opts: Options{Format: format}, shards: make([]shard, 1), wake: make(chan struct{}, 1)}
		s := &l.shards[0]
		s.active, s.spare = make([]byte, 0, maxLine), make([]byte, 0, maxLine)
		r := numbered(1, "hostile \" \xff \n é")
		n := testing.AllocsPerRun(1000, func() { // fills both buffers, then drops
			r.Time += 1e8
			l.Append(0, r)
		})
		if n != 0 {
			t.Errorf("format %d: %v allocations per line, want 0", format, n)
		}
		if l.Dropped() == 0 || cap(s.active) != maxLine || cap(s.full) != maxLine {
			t.Errorf("format %d: %d dropped, buffers of %d and %d bytes", format, l.Dropped(), cap(s.active), cap(s.full))
		}
	}
}

func TestWholeLines(t *testing.T) {
	for _, tt := range []struct {
		b     string
		limit int
		want  int
	}{
		{"", 4, 0},
		{"a\n", 4, 2},
		{"ab\ncd\n", 6, 6},
		{"ab\ncd\n", 5, 3},
		{"abcdef\ng\n", 4, 7}, // a long line goes whole
		{"abcdef", 4, 6},
	} {
		if got := wholeLines([]byte(tt.b), tt.limit); got != tt.want {
			t.Errorf("wholeLines(%q, %d) = %d, want %d", tt.b, tt.limit, got, tt.want)
		}
	}
}

// TestPipeWritesKeepLinesWhole reads the pipe write by write: each write ends
// at the end of a line, so that another writer's lines cannot come in between.
func TestPipeWritesKeepLinesWhole(t *testing.T) {
	var fds [2]int
	// A packet pipe gives each write back by one read.
	if err := unix.Pipe2(fds[:], unix.O_DIRECT|unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Skip(err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	var lines []byte
	for n := range 40 {
		lines = appendELB(lines, numbered(n, ""), new(stamper))
	}
	o := &output{fd: fds[1]}
	if n, err := o.write(lines); n != len(lines) || err != nil {
		t.Fatal(n, err)
	}
	var all []byte
	packet := make([]byte, 2*pipeChunk)
	for len(all) < len(lines) {
		n, err := unix.Read(fds[0], packet)
		if err != nil {
			t.Fatal(err)
		}
		if n > pipeChunk || packet[n-1] != '\n' {
			t.Errorf("a write of %d bytes that ends in %q", n, packet[n-1])
		}
		all = append(all, packet[:n]...)
	}
	if !bytes.Equal(all, lines) {
		t.Error("what was read is not what was written")
	}
}

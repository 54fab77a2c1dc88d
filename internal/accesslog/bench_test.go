package accesslog

import "testing"

// benchmarkAppend measures what a request pays: lock, format, unlock. The
// buffer is emptied in place of the writer, which runs on another core.
func benchmarkAppend(b *testing.B, format Format) {
	l := &Log{opts: Options{Format: format}, shards: make([]shard, 1), wake: make(chan struct{}, 1)}
	s := &l.shards[0]
	s.active, s.spare = make([]byte, 0, DefaultBufferBytes), make([]byte, 0, DefaultBufferBytes)
	r := forwarded()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Time += 20_000
		r.CreationTime += 20_000
		l.Append(0, &r)
		if i%32 == 31 {
			s.give(s.take(0))
		}
	}
	if l.Dropped() != 0 {
		b.Fatalf("%d lines dropped", l.Dropped())
	}
}

func BenchmarkAppend(b *testing.B)     { benchmarkAppend(b, FormatELB) }
func BenchmarkAppendJSON(b *testing.B) { benchmarkAppend(b, FormatJSON) }

package application

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"
)

func address(i int) netip.Addr {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 10<<24|uint32(i))
	return netip.AddrFrom4(a)
}

func TestSourcesCount(t *testing.T) {
	s := newSources()
	k := s.key("web", address(1))
	for want := int32(1); want <= 3; want++ {
		if got := s.add(k); got != want {
			t.Errorf("connection %d counts as %d", want, got)
		}
	}
	s.remove(k)
	if got := s.add(k); got != 3 {
		t.Errorf("after one has gone the next counts as %d, want 3", got)
	}
	if got := s.add(s.key("api", address(1))); got != 1 {
		t.Errorf("the first connection to another listener counts as %d", got)
	}
}

func TestSourcesKeys(t *testing.T) {
	s := newSources()
	f := func(a, b string, same bool) {
		t.Helper()
		ka, kb := s.key("web", netip.MustParseAddr(a)), s.key("web", netip.MustParseAddr(b))
		if (ka == kb) != same {
			t.Errorf("%s and %s: counted together %v, want %v", a, b, ka == kb, same)
		}
	}
	f("192.0.2.1", "192.0.2.1", true)
	f("192.0.2.1", "192.0.2.2", false)
	f("2001:db8::1", "2001:db8::ffff:1", true) // of one /64
	f("2001:db8::1", "2001:db8:0:1::1", false)
}

// TestSourcesError says how wrong the counts may be: never too low, and with as
// many addresses as the documentation says hardly ever too high.
func TestSourcesError(t *testing.T) {
	s := newSources()
	const n = 10_000
	high := 0
	for i := range n {
		switch got := s.add(s.key("web", address(i))); {
		case got < 1:
			t.Fatalf("address %d counts as %d", i, got)
		case got > 3:
			t.Errorf("address %d counts as %d", i, got)
		case got > 1:
			high++
		}
	}
	if high > n/10 {
		t.Errorf("%d of %d addresses count too high", high, n)
	}
	for i := range n {
		s.remove(s.key("web", address(i)))
	}
	for i := range s.rows {
		for j := range s.rows[i] {
			if got := s.rows[i][j].Load(); got != 0 {
				t.Fatalf("a counter is left at %d", got)
			}
		}
	}
}

func TestSourcesConcurrent(t *testing.T) {
	s := newSources()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				k := s.key("web", address(i%7))
				if s.add(k) < 1 {
					t.Error("a connection that is there is not counted")
				}
				s.remove(k)
			}
		})
	}
	wg.Wait()
	if got := s.add(s.key("web", address(0))); got != 1 {
		t.Errorf("%d connections are left", got-1)
	}
}

package health

import (
	"sync"
	"testing"
	"time"
)

func TestCell(t *testing.T) {
	ms := time.UnixMilli(1_800_000_000_123)
	f := func(name string, in, want Status) {
		t.Helper()
		var c Cell
		c.Store(in)
		got := c.Detail()
		if got.State != want.State || got.Reason != want.Reason || got.StatusCode != want.StatusCode || !got.Since.Equal(want.Since) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
		if s, r := c.Load(); s != want.State || r != want.Reason || c.State() != want.State {
			t.Errorf("%s: Load = %v %v, State = %v, want %v %v", name, s, r, c.State(), want.State, want.Reason)
		}
	}
	same := func(name string, s Status) { t.Helper(); f(name, s, s) }

	same("healthy", Status{State: StateHealthy, Since: ms})
	same("mismatch", Status{State: StateUnhealthy, Reason: TargetResponseCodeMismatch, StatusCode: 404, Since: ms})
	same("code 999", Status{State: StateUnhealthy, Reason: TargetResponseCodeMismatch, StatusCode: 999, Since: ms})
	same("last reason", Status{State: StateUnavailable, Reason: reasonCount - 1})
	same("last millisecond", Status{State: StateHealthy, Since: time.UnixMilli(sinceMax)})
	f("code out of range", Status{StatusCode: 1000, State: StateUnhealthy, Reason: TargetTimeout},
		Status{State: StateUnhealthy, Reason: TargetTimeout})
	f("negative code", Status{StatusCode: -1, State: StateHealthy}, Status{State: StateHealthy})
	f("after the last millisecond", Status{State: StateHealthy, Since: time.UnixMilli(sinceMax + 1)}, Status{State: StateHealthy})
	f("before 1970", Status{State: StateHealthy, Since: time.UnixMilli(-1)}, Status{State: StateHealthy})
	f("below a millisecond", Status{State: StateHealthy, Since: ms.Add(999 * time.Microsecond)}, Status{State: StateHealthy, Since: ms})
	f("zero", Status{}, Status{Reason: ElbRegistrationInProgress})
}

// A reader never sees one status's state with another's reason.
func TestCellConcurrent(t *testing.T) {
	var c Cell
	a := Status{State: StateHealthy, Since: time.UnixMilli(1)}
	b := Status{State: StateUnhealthy, Reason: TargetResponseCodeMismatch, StatusCode: 503, Since: time.UnixMilli(2)}
	c.Store(a)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10_000 {
				if d := c.Detail(); d != a && d != b {
					t.Errorf("got %+v, which was never stored", d)
					return
				}
			}
		})
	}
	for range 10_000 {
		c.Store(b)
		c.Store(a)
	}
	wg.Wait()
}

func TestWords(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(StateInitial.String(), "initial")
	f(StateHealthy.String(), "healthy")
	f(StateUnhealthy.String(), "unhealthy")
	f(StateUnused.String(), "unused")
	f(StateDraining.String(), "draining")
	f(StateUnavailable.String(), "unavailable")
	f(State(15).String(), "State(15)")
	f(ReasonNone.String(), "")
	f(TargetResponseCodeMismatch.String(), "Target.ResponseCodeMismatch")
	f(TargetIPUnusable.String(), "Target.IpUnusable")
	f(reasonCount.String(), "Reason(13)")
	f(reasonCount.Description(0), "")
	f(TargetResponseCodeMismatch.Description(404), "Health checks failed with these codes: [404]")
	f(Status{State: StateUnhealthy, Reason: TargetTimeout}.Description(), "Request timed out")
	for r := ReasonNone + 1; r < reasonCount; r++ {
		if r.String() == "" || r.Description(200) == "" {
			t.Errorf("reason %d has no words", r)
		}
	}
	if reasonCount > reasonMask+1 || StateUnavailable > stateMask {
		t.Errorf("states or reasons do not fit their bits")
	}
}

func TestCellAllocs(t *testing.T) {
	var c Cell
	s := Status{State: StateHealthy, Since: time.UnixMilli(1)}
	if n := testing.AllocsPerRun(100, func() { c.Store(s); c.Load() }); n != 0 {
		t.Errorf("Store and Load: %v allocs, want 0", n)
	}
}

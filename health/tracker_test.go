package health

import (
	"strings"
	"testing"
)

// A script is a row of checks and the state after each:
//
//   - passed                     h  healthy
//   - refused                    u  unhealthy
//     t      timed out                  i  initial
//     4, 5   HTTP 404, 500
//     !      could not be made here
func TestTracker(t *testing.T) {
	results := map[byte]Result{
		'+': {OK: true, StatusCode: 200},
		'-': {Reason: TargetFailedHealthChecks},
		't': {Reason: TargetTimeout},
		'4': {Reason: TargetResponseCodeMismatch, StatusCode: 404},
		'5': {Reason: TargetResponseCodeMismatch, StatusCode: 500},
		'!': {Reason: ElbInternalError},
	}
	letters := map[State]byte{StateInitial: 'i', StateHealthy: 'h', StateUnhealthy: 'u'}

	f := func(name string, healthy, unhealthy int, from State, checks, states, description string) {
		t.Helper()
		tr := NewTracker(Policy{HealthyThreshold: healthy, UnhealthyThreshold: unhealthy}, Status{State: from})
		var got strings.Builder
		before := tr.State()
		for i := range len(checks) {
			changed := tr.Observe(results[checks[i]])
			if changed != (tr.State() != before) {
				t.Errorf("%s: check %d: changed = %v, but the state went from %v to %v", name, i, changed, before, tr.State())
			}
			before = tr.State()
			got.WriteByte(letters[before])
		}
		if got.String() != states {
			t.Errorf("%s: checks %s from %v: got states %s, want %s", name, checks, from, got.String(), states)
		}
		if d := tr.Reason().Description(tr.StatusCode()); d != description {
			t.Errorf("%s: got description %q, want %q", name, d, description)
		}
	}

	const (
		failed  = "Health checks failed"
		timeout = "Request timed out"
		initial = "Initial health checks in progress"
	)
	f("no check yet", 5, 2, StateInitial, "", "", initial)
	f("first passed check decides, whatever the threshold", 5, 2, StateInitial, "+", "h", "")
	f("first failed check decides, whatever the threshold", 5, 10, StateInitial, "-", "u", failed)
	f("ELB's defaults: two failures", 5, 2, StateInitial, "+--", "hhu", failed)
	f("ELB's defaults: five passes", 5, 2, StateInitial, "-+++++", "uuuuuh", "")
	f("failures must be in a row", 5, 3, StateHealthy, "--+--+---", "hhhhhhhhu", failed)
	f("passes must be in a row", 3, 2, StateUnhealthy, "++-++-+++", "uuuuuuuuh", "")
	f("after recovery the count starts anew", 2, 2, StateHealthy, "--++-+--", "huuhhhhu", failed)
	f("threshold 1", 1, 1, StateHealthy, "-+-", "uhu", failed)
	f("threshold 0 means 1", 0, 0, StateHealthy, "-+-", "uhu", failed)
	f("mixed failures count together", 5, 3, StateHealthy, "-t4", "hhu", "Health checks failed with these codes: [404]")
	f("the last failure explains", 5, 2, StateHealthy, "445", "huu", "Health checks failed with these codes: [500]")
	f("the last failure explains, without its predecessor's code", 5, 2, StateHealthy, "44t", "huu", timeout)
	f("a passed check below the threshold keeps the explanation", 5, 2, StateHealthy, "tt++", "huuu", timeout)
	f("no reason while failures are below the threshold", 5, 3, StateHealthy, "--", "hh", "")
	f("own trouble decides nothing", 5, 2, StateInitial, "!!", "ii", initial)
	f("own trouble takes no target out", 5, 2, StateHealthy, "!!!!", "hhhh", "")
	f("own trouble ends no run", 3, 2, StateHealthy, "-!-+!++", "hhuuuuh", "")
	f("goes on from healthy", 5, 2, StateHealthy, "-+", "hh", "")
	f("goes on from unhealthy", 2, 2, StateUnhealthy, "+", "u", "")
	f("draining, registered again", 5, 2, StateDraining, "+", "h", "")
	f("unused, now in use", 5, 2, StateUnused, "-", "u", failed)
	f("unavailable, now checked", 5, 2, StateUnavailable, "+", "h", "")
}

func TestTrackerKeepsReason(t *testing.T) {
	from := Status{State: StateUnhealthy, Reason: TargetResponseCodeMismatch, StatusCode: 503}
	tr := NewTracker(Policy{HealthyThreshold: 2, UnhealthyThreshold: 2}, from)
	if tr.Reason() != from.Reason || tr.StatusCode() != 503 {
		t.Errorf("got %v %d, want what the cell said: %v 503", tr.Reason(), tr.StatusCode(), from.Reason)
	}
	tr.Observe(Result{Reason: ReasonNone}) // not OK, but does not say why
	if tr.Reason() != TargetFailedHealthChecks || tr.StatusCode() != 0 {
		t.Errorf("failure without reason: got %v %d, want %v 0", tr.Reason(), tr.StatusCode(), TargetFailedHealthChecks)
	}
}

func TestTrackerAllocs(t *testing.T) {
	tr := NewTracker(Policy{HealthyThreshold: 2, UnhealthyThreshold: 2}, Status{})
	n := testing.AllocsPerRun(100, func() {
		tr.Observe(Result{OK: true})
		tr.Observe(Result{Reason: TargetTimeout})
	})
	if n != 0 {
		t.Errorf("Observe: %v allocs, want 0", n)
	}
}

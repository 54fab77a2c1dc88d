package health

import "time"

// Policy says how often a target is checked and how many checks it takes to
// change its state.
type Policy struct {
	// Interval is the time from the start of one check to the start of the
	// next (ELB: 5 to 300 s).
	Interval time.Duration
	// Timeout bounds one check, from connecting to the end of the response
	// head (ELB: 2 to 120 s).
	Timeout time.Duration
	// HealthyThreshold is how many passed checks in a row make an unhealthy
	// target healthy (ELB: 2 to 10). Less than 1 means 1.
	HealthyThreshold int
	// UnhealthyThreshold is how many failed checks in a row make a healthy
	// target unhealthy (ELB: 2 to 10). Less than 1 means 1.
	UnhealthyThreshold int
}

// Tracker is ELB's threshold machine for one target: results in, state out.
// It is a plain value without clock, I/O or locks; its caller serialises
// calls and moves State and Reason into the target's Cell.
//
//	initial   --first check passed-->                           healthy
//	initial   --first check failed-->                           unhealthy
//	healthy   --UnhealthyThreshold failed checks in a row-->    unhealthy
//	unhealthy --HealthyThreshold passed checks in a row-->      healthy
//
// The first check alone decides: a new target takes work after one passed
// check, whatever the threshold (ELB guide, "Health checks": a target "must
// pass one health check to be considered healthy").
type Tracker struct {
	policy Policy

	state  State
	reason Reason
	code   int

	// run is the number of checks in a row that speak against state; a check
	// that agrees with state sets it to 0.
	run int
}

// NewTracker returns a tracker that goes on from a known status. From any
// state but healthy and unhealthy the first result decides, as for a new
// target.
func NewTracker(p Policy, from Status) Tracker {
	t := Tracker{policy: p}
	switch from.State {
	case StateHealthy, StateUnhealthy:
		t.state, t.reason, t.code = from.State, from.Reason, from.StatusCode
	default:
		t.state, t.reason = StateInitial, ElbInitialHealthChecking
	}
	return t
}

// State is the state that the results so far lead to.
func (t *Tracker) State() State { return t.state }

// Reason explains State: that of the last failed check while unhealthy, none
// while healthy (also while failed checks count up to the threshold).
func (t *Tracker) Reason() Reason { return t.reason }

// StatusCode is the HTTP status that goes with Reason, 0 when there is none.
func (t *Tracker) StatusCode() int { return t.code }

// Observe takes the next result in order and tells whether State changed.
// Reason and StatusCode may change without it: an unhealthy target that fails
// another way.
//
// A result with ElbInternalError says nothing about the target (this process
// ran out of descriptors, say), so it counts neither way and ends no run:
// trouble here must not take targets out of service that work.
func (t *Tracker) Observe(r Result) (changed bool) {
	switch {
	case r.OK:
		return t.passed()
	case r.Reason == ElbInternalError:
		return false
	default:
		return t.failed(r)
	}
}

func (t *Tracker) passed() bool {
	switch t.state {
	case StateHealthy:
		t.run = 0
		return false
	case StateUnhealthy:
		t.run++
		if t.run < t.policy.HealthyThreshold {
			return false
		}
	}
	t.state, t.reason, t.code, t.run = StateHealthy, ReasonNone, 0, 0
	return true
}

func (t *Tracker) failed(r Result) bool {
	if t.state == StateHealthy {
		t.run++
		if t.run < t.policy.UnhealthyThreshold {
			return false
		}
	}
	changed := t.state != StateUnhealthy
	t.state, t.reason, t.code, t.run = StateUnhealthy, r.Reason, 0, 0
	if t.reason == ReasonNone {
		t.reason = TargetFailedHealthChecks
	}
	if t.reason == TargetResponseCodeMismatch {
		t.code = r.StatusCode
	}
	return changed
}

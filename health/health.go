// Package health says what is known of a target's health, in ELB's words.
//
// A prober (package health/probe) turns one check into a Result. A Tracker
// turns the sequence of Results of one target into a State by ELB's threshold
// rules; it has no clock and does no I/O. The State and its Reason are
// published in the target's Cell, which the data path and the status page read
// without locks.
//
// Nothing here decides where work goes: fail-open, draining and zones belong
// to the balancer and to those who call Cell.Store.
//
// Source: ELB guides, "Health checks for your target groups" and the
// DescribeTargetHealth API (TargetHealth.State, .Reason, .Description).
package health

import (
	"strconv"
	"time"
)

// State is the state of a registered target: the TargetHealth.State of the
// ELBv2 API.
type State uint8

// The states of ELB.
const (
	// StateInitial: registration or the first check is in progress.
	StateInitial State = iota
	// StateHealthy: the target takes work.
	StateHealthy
	// StateUnhealthy: the target failed its checks; it takes work only when
	// its group fails open.
	StateUnhealthy
	// StateUnused: the target is not registered, or nothing forwards to its group.
	StateUnused
	// StateDraining: the target is being deregistered; work in flight finishes.
	StateDraining
	// StateUnavailable: health checks are off, so nothing is known.
	StateUnavailable
)

// String is the word of the ELBv2 API.
func (s State) String() string {
	switch s {
	case StateInitial:
		return "initial"
	case StateHealthy:
		return "healthy"
	case StateUnhealthy:
		return "unhealthy"
	case StateUnused:
		return "unused"
	case StateDraining:
		return "draining"
	case StateUnavailable:
		return "unavailable"
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

// Reason says why a target is in its State: the TargetHealth.Reason of the
// ELBv2 API. A healthy target has none.
type Reason uint8

// The reason codes of ELB, grouped by the state they explain.
const (
	ReasonNone Reason = iota

	// Of StateInitial.
	ElbRegistrationInProgress
	ElbInitialHealthChecking

	// Of StateUnhealthy.
	TargetResponseCodeMismatch
	TargetTimeout
	TargetFailedHealthChecks

	// ElbInternalError: the load balancer could not check, through no fault of
	// the target. See Tracker.Observe.
	ElbInternalError

	// Of StateDraining.
	TargetDeregistrationInProgress

	// Of StateUnused.
	TargetNotRegistered
	TargetNotInUse
	TargetInvalidState
	TargetIPUnusable

	// Of StateUnavailable.
	TargetHealthCheckDisabled

	reasonCount // not a reason
)

var reasons = [reasonCount]struct{ code, description string }{
	ReasonNone:                     {"", ""},
	ElbRegistrationInProgress:      {"Elb.RegistrationInProgress", "Target registration is in progress"},
	ElbInitialHealthChecking:       {"Elb.InitialHealthChecking", "Initial health checks in progress"},
	TargetResponseCodeMismatch:     {"Target.ResponseCodeMismatch", "Health checks failed with these codes: "},
	TargetTimeout:                  {"Target.Timeout", "Request timed out"},
	TargetFailedHealthChecks:       {"Target.FailedHealthChecks", "Health checks failed"},
	ElbInternalError:               {"Elb.InternalError", "Health checks failed due to an internal error"},
	TargetDeregistrationInProgress: {"Target.DeregistrationInProgress", "Target deregistration is in progress"},
	TargetNotRegistered:            {"Target.NotRegistered", "Target is not registered to the target group"},
	TargetNotInUse:                 {"Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"},
	TargetInvalidState:             {"Target.InvalidState", "Target is in the stopped state"},
	TargetIPUnusable:               {"Target.IpUnusable", "The IP address cannot be used as a target, as it is in use by a load balancer"},
	TargetHealthCheckDisabled:      {"Target.HealthCheckDisabled", "Health checks are disabled"},
}

// String is ELB's reason code, such as "Target.Timeout"; "" for ReasonNone.
func (r Reason) String() string {
	if r < reasonCount {
		return reasons[r].code
	}
	return "Reason(" + strconv.Itoa(int(r)) + ")"
}

// Description is ELB's sentence for the reason. The HTTP status of the last
// failed check is named where the sentence has one: TargetResponseCodeMismatch.
func (r Reason) Description(statusCode int) string {
	switch {
	case r >= reasonCount:
		return ""
	case r == TargetResponseCodeMismatch:
		return reasons[r].description + "[" + strconv.Itoa(statusCode) + "]"
	}
	return reasons[r].description
}

// Result is the outcome of one health check of one target.
type Result struct {
	// OK: the target answered as its health check asks.
	OK bool
	// Reason is ReasonNone when OK; otherwise one of TargetResponseCodeMismatch,
	// TargetTimeout, TargetFailedHealthChecks and ElbInternalError.
	Reason Reason
	// StatusCode is the HTTP status that came, 0 when none did.
	StatusCode int
	// Latency is the time from the start of the check to its outcome.
	Latency time.Duration
	// Detail says more than the reason, for people: the text of an error. It
	// may quote what a target sent, escaped, and is at most 256 bytes.
	Detail string
}

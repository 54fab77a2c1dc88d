package health

import (
	"sync/atomic"
	"time"
)

// Status is a target's health at one moment.
type Status struct {
	State  State
	Reason Reason
	// StatusCode is the HTTP status of the check that gave the reason, 0 when
	// none came. It is kept from 0 to 999.
	StatusCode int
	// Since is when the target entered State, to the millisecond. The zero
	// time means it is not known.
	Since time.Time
}

// Description is ELB's sentence for the status; "" for a healthy target.
func (s Status) Description() string { return s.Reason.Description(s.StatusCode) }

// Cell publishes the health of one target.
//
// It has one writer at a time and any number of readers, which neither lock
// nor wait, and never see the state of one moment with the reason of another:
// all of it is in one word. Who the writer is changes with the target's life:
// probe.Manager while the target is in its specs, the controller before and
// after.
//
// The zero Cell is that of a target just registered: initial,
// Elb.RegistrationInProgress. A Cell must not be copied after first use.
type Cell struct {
	// From the low bits: state 4, reason 6, HTTP status 10, since 44 as
	// milliseconds of Unix time (which lasts until the year 2527).
	word atomic.Uint64
}

const (
	reasonShift = 4
	codeShift   = reasonShift + 6
	sinceShift  = codeShift + 10

	stateMask  = 1<<4 - 1
	reasonMask = 1<<6 - 1
	codeMask   = 1<<10 - 1
	sinceMax   = 1<<44 - 1
)

// Load returns the state and its reason.
func (c *Cell) Load() (State, Reason) {
	w := c.word.Load()
	return unpack(w)
}

// State returns the state alone.
func (c *Cell) State() State { return State(c.word.Load() & stateMask) }

// Detail returns all that is known.
func (c *Cell) Detail() Status {
	w := c.word.Load()
	var s Status
	s.State, s.Reason = unpack(w)
	s.StatusCode = int(w >> codeShift & codeMask)
	if ms := w >> sinceShift; ms != 0 {
		s.Since = time.UnixMilli(int64(ms))
	}
	return s
}

// Store publishes a status. Values that do not fit are cut: a StatusCode
// outside 0 to 999 is stored as 0, a Since outside 1970 to 2527 as not known.
func (c *Cell) Store(s Status) {
	var code, ms uint64
	if 0 <= s.StatusCode && s.StatusCode <= 999 {
		code = uint64(s.StatusCode)
	}
	if t := s.Since.UnixMilli(); 0 < t && t <= sinceMax {
		ms = uint64(t)
	}
	c.word.Store(uint64(s.State)&stateMask | uint64(s.Reason)&reasonMask<<reasonShift |
		code<<codeShift | ms<<sinceShift)
}

func unpack(w uint64) (State, Reason) {
	if w == 0 {
		return StateInitial, ElbRegistrationInProgress
	}
	return State(w & stateMask), Reason(w >> reasonShift & reasonMask)
}

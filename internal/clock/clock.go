// Package clock is the seam through which schedules see time, so that a test
// can move it. Real is the machine's clock; Fake moves only when told.
//
// It is for schedules (what happens when), not for the deadlines of I/O: a
// socket is real in a test too, and knows nothing of a fake clock.
package clock

import "time"

// Clock tells the time and calls back later.
type Clock interface {
	// Now is the current time. Differences between two readings do not
	// suffer from steps of the wall clock.
	Now() time.Time
	// AfterFunc calls f once d has passed; when d <= 0, as soon as possible.
	// f is called without any lock of the clock held and may use the clock,
	// but must not block.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a call that Clock.AfterFunc arranged. Its methods are those of
// time.Timer.
type Timer interface {
	// Stop prevents the call and tells whether it did: false when f was
	// called already, or is being called, or the timer was stopped.
	Stop() bool
	// Reset arranges the call for d from now, and tells whether the timer was
	// waiting before.
	Reset(d time.Duration) bool
}

// Real is the machine's clock: package time. Each f runs on its own goroutine.
var Real Clock = realClock{}

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }

func (realClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

package clock

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestFakeOrder(t *testing.T) {
	c := NewFake(start)
	var got []string
	note := func(name string) func() {
		return func() { got = append(got, fmt.Sprint(name, c.Now().Sub(start))) }
	}
	c.AfterFunc(2*time.Second, note("late"))
	c.AfterFunc(time.Second, note("first"))
	c.AfterFunc(time.Second, note("second"))
	c.AfterFunc(time.Second, func() {
		note("third")()
		c.AfterFunc(500*time.Millisecond, note("nested"))
		c.AfterFunc(-time.Second, note("at once"))
	})
	c.AfterFunc(time.Hour, note("never"))
	if next, ok := c.Next(); !ok || !next.Equal(start.Add(time.Second)) {
		t.Errorf("Next: got %v %v, want one second on", next, ok)
	}
	c.Advance(2 * time.Second)
	want := []string{"first1s", "second1s", "third1s", "at once1s", "nested1.5s", "late2s"}
	if !slices.Equal(got, want) {
		t.Errorf("got calls %q, want %q", got, want)
	}
	if c.Waiting() != 1 || !c.Now().Equal(start.Add(2*time.Second)) {
		t.Errorf("got %d waiting at %v, want 1 at +2s", c.Waiting(), c.Now().Sub(start))
	}
}

func TestFakeTimer(t *testing.T) {
	c := NewFake(start)
	calls := 0
	timer := c.AfterFunc(time.Second, func() { calls++ })
	if !timer.Stop() || timer.Stop() {
		t.Errorf("Stop must tell once that it stopped the timer")
	}
	c.Advance(time.Minute)
	if calls != 0 {
		t.Errorf("a stopped timer was called")
	}
	if timer.Reset(time.Second) {
		t.Errorf("Reset of a stopped timer must return false")
	}
	if !timer.Reset(2 * time.Second) {
		t.Errorf("Reset of a waiting timer must return true")
	}
	c.Advance(time.Second)
	if calls != 0 {
		t.Errorf("called at the time from before the Reset")
	}
	c.Advance(time.Second)
	if calls != 1 || timer.Stop() {
		t.Errorf("got %d calls, want 1, and nothing left to stop", calls)
	}
	if _, ok := c.Next(); ok {
		t.Errorf("Next: there is a call left")
	}
	timer.Reset(0)
	c.Advance(0)
	if calls != 2 {
		t.Errorf("Advance(0) must make calls that are due at once")
	}
}

func TestFakePeriodic(t *testing.T) {
	c := NewFake(start)
	calls := 0
	var timer Timer
	timer = c.AfterFunc(time.Second, func() { calls++; timer.Reset(time.Second) })
	c.Advance(time.Minute)
	if calls != 60 {
		t.Errorf("got %d calls in a minute, want 60", calls)
	}
}

func TestFakeConcurrent(t *testing.T) {
	c := NewFake(start)
	var calls atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				timer := c.AfterFunc(time.Duration(i*j)*time.Millisecond, func() { calls.Add(1) })
				if j%3 == 0 && timer.Stop() {
					timer.Reset(time.Duration(j) * time.Millisecond)
				}
				c.Advance(time.Millisecond)
				c.Now()
			}
		})
	}
	wg.Wait()
	c.Advance(time.Hour)
	if calls.Load() != 800 || c.Waiting() != 0 {
		t.Errorf("got %d calls and %d waiting, want 800 and 0", calls.Load(), c.Waiting())
	}
}

func TestReal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := Real.Now()
		done := make(chan time.Time, 1)
		timer := Real.AfterFunc(time.Second, func() { done <- Real.Now() })
		timer.Reset(3 * time.Second)
		if got := (<-done).Sub(begin); got != 3*time.Second {
			t.Errorf("called after %v, want 3s", got)
		}
		if timer.Stop() {
			t.Errorf("Stop after the call must return false")
		}
	})
}

package application

import (
	"testing"

	"github.com/elbow-lb/elbow/internal/http1"
	"github.com/elbow-lb/elbow/internal/metrics"
)

// TestOutcomes holds the table of outcomes to what logs, metrics and clients
// need of it.
func TestOutcomes(t *testing.T) {
	if numOutcomes > refusalBase {
		t.Fatalf("%d outcomes run into the refusals at %d", numOutcomes, refusalBase)
	}
	if n := int(refusalBase) + http1.NumRefusals; n > metrics.MaxReasons {
		t.Fatalf("%d reasons, metrics has room for %d", n, metrics.MaxReasons)
	}
	reasons := Reasons()
	seen := map[string]Outcome{}
	f := func(o Outcome) {
		t.Helper()
		word, status := o.String(), o.Status()
		if word == "" {
			t.Errorf("outcome %d has no reason", o)
		}
		if other, twice := seen[word]; twice {
			t.Errorf("outcomes %d and %d are both %s", other, o, word)
		}
		seen[word] = o
		for _, c := range word {
			if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
				t.Errorf("%q is not one word", word)
				break
			}
		}
		if status < 400 || status > 599 {
			t.Errorf("%s has status %d", word, status)
		}
		if _, ok := errorPages[status]; !ok {
			t.Errorf("%s: no page for status %d", word, status)
		}
		if reasons[o] != word {
			t.Errorf("reason %d is %q, want %q", o, reasons[o], word)
		}
	}
	for o := OutcomeOK + 1; o < numOutcomes; o++ {
		f(o)
	}
	for r := http1.Refusal(1); int(r) < http1.NumRefusals; r++ {
		f(refused(r))
		if refused(r).Status() != r.Status() {
			t.Errorf("%s: status %d, want %d", r, refused(r).Status(), r.Status())
		}
		if got, want := malformedReasons[r], "TargetMalformedResponse:"+r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for i, word := range reasons {
		if _, known := seen[word]; word != "" && !known {
			t.Errorf("reason %d, %q, is no outcome", i, word)
		}
	}
	if OutcomeOK.Status() != 200 || OutcomeOK.String() != "" || reasons[OutcomeOK] != "" {
		t.Error("OutcomeOK is a refusal")
	}
	metrics.New(1, metrics.Options{Reasons: reasons}) // panics on what it cannot take
}

func TestErrorPages(t *testing.T) {
	for status, page := range errorPages {
		if statusText(status) == "Status" {
			t.Errorf("%d has no reason phrase", status)
		}
		if len(page) > 512 {
			t.Errorf("%d: the page has %d bytes", status, len(page))
		}
	}
}

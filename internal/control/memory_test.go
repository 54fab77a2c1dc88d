package control

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/elbow-lb/elbow/listener/application"
)

func TestMemoryWatch(t *testing.T) {
	var used, freed int64
	var told []application.Pressure
	w := &memoryWatch{
		limit: 1000, used: func() int64 { return used }, log: zap.NewNop(),
		collect: func() { used -= freed },
		set:     func(p application.Pressure) { told = append(told, p) },
	}
	now := time.Unix(0, 0)
	f := func(what string, use int64, want ...application.Pressure) {
		t.Helper()
		used, told = use, nil
		w.look(now)
		if fmt.Sprint(told) != fmt.Sprint(want) {
			t.Errorf("%s: told %v, want %v", what, told, want)
		}
	}
	const none, closes, refuses = application.PressureNone, application.PressureClose, application.PressureRefuse
	f("enough", 910)
	freed = 100
	f("garbage only", 990)
	freed = 0
	f("short, and garbage was just collected", 930, closes)
	f("the same", 930)
	f("a little less", 905)
	f("much less", 899, none)
	f("nearly all", 950, refuses)
	f("a little less again", 931)
	f("less", 925, closes)
	f("nothing", 0, none)
	f("at once", 1200, refuses)
	now = now.Add(collectInterval)
	f("over", 0, none)
	freed = 30
	f("some was garbage", 960, closes)
}

// TestMemoryPressure serves requests while memory is short.
func TestMemoryPressure(t *testing.T) {
	var used atomic.Int64
	l := newLab(t, Options{MemoryLimit: 1000, MemoryUsed: used.Load})
	l.must(fmt.Sprintf(`
version: 1
load_balancers:
  - name: app
    type: application
    listeners:
      - protocol: HTTP
        port: %d
        address: 127.0.0.1
        default_actions: [{type: fixed-response, status_code: "200"}]
`, l.port))
	f := func(use int64, status int, closes bool, retry string) {
		t.Helper()
		used.Store(use)
		deadline := time.Now().Add(patience)
		for {
			res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", l.port))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode == status && res.Close == closes && res.Header.Get("Retry-After") == retry {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("with %d used: %d, close %v, Retry-After %q", use, res.StatusCode, res.Close, res.Header.Get("Retry-After"))
			}
		}
	}
	defer http.DefaultClient.CloseIdleConnections()
	f(0, 200, false, "")
	f(930, 200, true, "")
	f(960, 503, true, "1")
	f(0, 200, false, "")
}

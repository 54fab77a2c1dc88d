package control

import (
	"fmt"
	"strings"
	"testing"
)

// TestTooFewDescriptors asks for more connections than there are descriptors: the
// first configuration does not start, a later one does not take effect.
func TestTooFewDescriptors(t *testing.T) {
	l := newLab(t, Options{})
	limit, connections := l.engine.Descriptors()
	conf := func(n int) string {
		return fmt.Sprintf(`
version: 1
load_balancers:
  - name: app
    type: application
    listeners:
      - protocol: HTTP
        port: %d
        address: 127.0.0.1
        attributes: {elbow.max_connections: %d}
        default_actions: [{type: fixed-response, status_code: "200"}]
`, l.port, n)
	}
	refused := func() {
		t.Helper()
		err := l.reload(conf(connections/2 + 1))
		if err == nil {
			t.Fatal("not refused")
		}
		for _, want := range []string{fmt.Sprintf("may have %d open files", limit), "elbow.max_connections", "LimitNOFILE"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("want %q in %q", want, err)
			}
		}
	}
	refused()
	if l.Ready() {
		t.Error("ready")
	}
	l.must(conf(connections / 2))
	refused()
	if got := l.Snapshot().Generation; got != 1 {
		t.Errorf("generation %d is in force", got)
	}
}

package control

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/internal/resolve"
)

// TestReadyDuringReload checks that neither readiness nor status nor the rotation
// of logs waits for a reload that waits for DNS.
func TestReadyDuringReload(t *testing.T) {
	defer goleak.VerifyNone(t)
	dns, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer dns.Close()

	parse := func(target string) *config.Model {
		m, diags := config.Parse("test.yaml", fmt.Appendf(nil, `version: 1
load_balancers: [{name: web, type: application, listeners: [{protocol: HTTP, address: 127.0.0.1, port: %d, default_actions: [{type: fixed-response, status_code: "200"}]}]}]
target_groups: [{name: web, protocol: HTTP, port: 1, targets: [{id: %s}]}]
`, freePort(t), target), nil)
		if m == nil {
			t.Fatal(diags)
		}
		return m
	}
	var model atomic.Pointer[config.Model]
	model.Store(parse("127.0.0.1"))
	c, err := New(Options{
		Load:  func() (*config.Model, config.Diagnostics) { return model.Load(), nil },
		Loops: 1,
		Resolver: resolve.Options{
			Servers: []netip.AddrPort{dns.LocalAddr().(*net.UDPAddr).AddrPort()},
			Hosts:   filepath.Join(t.TempDir(), "hosts"),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}

	model.Store(parse("never.example"))
	ctx, cancel := context.WithCancel(t.Context())
	reloaded := make(chan error, 1)
	go func() { reloaded <- c.Reload(ctx) }()
	if _, _, err := dns.ReadFrom(make([]byte, 512)); err != nil { // the reload waits for an answer
		t.Fatal(err)
	}
	if s := c.Status(); !c.Ready() || !s.Ready || s.Config.Generation != 1 {
		t.Errorf("during a reload: ready %v, %+v", c.Ready(), s.Config)
	}
	if err := c.ReopenLogs(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-reloaded:
		t.Errorf("the reload did not wait, so nothing was tested: %v", err)
	default:
	}
	cancel()
	if err := <-reloaded; err != nil { // names that are not known are no reason to refuse
		t.Error(err)
	}
	if s := c.Status(); s.Config.Generation != 2 {
		t.Errorf("generation %d after the reload, want 2", s.Config.Generation)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

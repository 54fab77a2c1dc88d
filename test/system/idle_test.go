package system

import (
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// An idle connection costs no goroutine, and a request on any of them is
// answered at once.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	connections := 2_000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if free := int(min(limit.Cur, 1<<20)) - 500; free < connections {
		t.Skipf("%d descriptors allowed, %d needed (ulimit -n)", limit.Cur, connections+500)
	}
	g := startGo(t, targetOptions{id: "t"})
	d := simple(t, once, g.addr)
	before, _ := d.metric(t, "go_goroutines")

	idle := make([]*client, connections)
	for i := range idle {
		idle[i] = &client{addr: d.addr}
		defer idle[i].close()
		if i%2 == 0 { // connected only
			conn, err := net.DialTimeout("tcp", d.addr, patience)
			if err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
			conn.SetDeadline(time.Now().Add(patience))
			idle[i].attach(conn)
			continue
		}
		if _, err := idle[i].do(http.MethodGet, get("/id"), true); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	eventually(t, "all connections are counted", func() bool {
		n, _ := d.metric(t, "elbow_active_connections")
		return int(n) == connections
	})
	var goroutines float64
	eventually(t, "few goroutines", func() bool {
		goroutines, _ = d.metric(t, "go_goroutines")
		return goroutines < before+50
	})
	resident, _ := d.metric(t, "process_resident_memory_bytes")
	heap, _ := d.metric(t, "go_memory_classes_heap_objects_bytes")
	t.Logf("%d idle connections: %v goroutines, %v before; heap %.0f KiB, resident %.0f KiB", connections, goroutines, before, heap/1024, resident/1024)

	for i, c := range idle {
		if r, err := c.do(http.MethodGet, get("/id"), true); err != nil || r.status != http.StatusOK {
			t.Fatalf("connection %d, after it was idle: %d, %v", i, r.status, err)
		}
	}
}

package system

import (
	"bytes"
	"net/http"
	"testing"
	"time"
)

// A daemon that may use 128 MiB gets requests with large heads and bodies from many
// clients, most of whom stop in the middle: it stays below, and serves the others or
// tells them to come again.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	const limit = 128 << 20
	g := startGo(t, targetOptions{id: "t"})
	d := startUnder(t, nil, func(d *daemon) string { return d.forward(group("main", once, g.addr)) }, "--memory-limit", "128MiB")
	hoarders := scaled(2500)
	part := append([]byte("GET /id HTTP/1.1\r\nHost: test\r\nX-Large: "), bytes.Repeat([]byte("x"), 15<<10)...)
	part = append(part, "\r\nX-More: "...)
	part = append(part, bytes.Repeat([]byte("y"), 15<<10)...)

	served, refused, failed := 0, 0, 0
	most, pressed := 0.0, 0.0
	body := bytes.Repeat([]byte("b"), 100<<10)
	check := func() {
		c := client{addr: d.addr}
		defer c.close()
		a, err := c.do(http.MethodPost, post("/echo", body), false)
		switch {
		case err == nil && a.status == http.StatusOK && bytes.Equal(a.body, body):
			served++
		case err == nil && a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "":
			refused++
		default:
			failed++
		}
		if resident, ok := d.metric(t, "process_resident_memory_bytes"); ok {
			most = max(most, resident)
		}
		p, _ := d.metric(t, "elbow_memory_pressure")
		pressed = max(pressed, p)
	}
	for i := range hoarders {
		c := client{addr: d.addr}
		if c.send(part) == nil {
			defer c.close()
		}
		if i%50 == 0 {
			check()
		}
	}
	for range 20 {
		check()
		time.Sleep(20 * time.Millisecond) // the watch looks ten times a second
	}
	if !d.running() {
		t.Fatal("it has ended")
	}
	if failed > 0 {
		t.Errorf("%d requests are neither served nor refused", failed)
	}
	if !raced && most > 1.25*limit {
		t.Errorf("%.0f MiB resident with a limit of %d", most/(1<<20), limit>>20)
	}
	t.Logf("R15: limit %d MiB, %d clients hold half a head of 30 KiB each: %d large requests served, %d refused with Retry-After; at most %.0f MiB resident, pressure up to %.0f",
		limit>>20, hoarders, served, refused, most/(1<<20), pressed)
}

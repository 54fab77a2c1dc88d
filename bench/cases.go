package main

import (
	"fmt"
	"strings"
)

// kind is how a case loads a contestant.
type kind int

const (
	closedLoop kind = iota // wrk: the next request when the answer is there
	openLoop               // paced: requests at a rate, whatever the answers do
	idleConns              // connections that do nothing
)

// figure is what a case is judged by.
type figure string

const (
	figureCPU    figure = "CPU µs/request"
	figureP99    figure = "p99 µs"
	figureMemory figure = "bytes/connection"
)

// of is the figure of one round.
func (f figure) of(t round) float64 {
	switch f {
	case figureP99:
		return t.P99
	case figureMemory:
		return t.Memory
	}
	return t.CPU
}

// load is what a generator sends.
type load struct {
	conns   int
	path    string
	headers []string // "Name: value", closed loop only
	// rate is in requests/s, open loop only; 0 is half of what the best peer
	// reaches at 64 connections.
	rate float64
}

// benchCase is one row group of the report.
type benchCase struct {
	name  string
	title string
	setup setup
	kind  kind
	load  load
	// unpinned lets everything run on every processor, nothing pinned.
	unpinned bool
	figure   figure
	// The verdict: at most ratio times the best peer's figure, or at most limit
	// in the figure's own unit. Neither: the figure is shown, not judged.
	ratio float64
	limit float64
}

// What the benchmark asks of idle connections, and of connections in a run
// that only has to work.
const (
	idleConnections      = 9000
	idleConnectionsShort = 500
)

// cases are in the order they run. Those of one setup stand together, so that
// contestants are restarted rarely.
var cases = []benchCase{
	{
		name: "small-64", title: "128 B answers, 64 connections", figure: figureCPU, ratio: 0.85,
		load: load{conns: 64, path: "/128"},
	},
	{
		name: "small-256", title: "128 B answers, 256 connections", figure: figureCPU, ratio: 0.85,
		load: load{conns: 256, path: "/128"},
	},
	{
		name: "head-460", title: "460 B request heads, 128 B answers, 64 connections", figure: figureCPU,
		load: load{conns: 64, path: "/128", headers: browserHeaders(460, "/128")},
	},
	{
		name: "half-load", title: "open loop at half of the best peer's rate, 64 connections", figure: figureP99, ratio: 1.0,
		kind: openLoop, load: load{conns: 64, path: "/128"},
	},
	{
		name: "slow-2000", title: "2,000 connections, one request a second each", figure: figureCPU,
		kind: openLoop, load: load{conns: 2000, path: "/128", rate: 2000},
	},
	{
		name: "body-16k", title: "16 KiB answers, 64 connections", figure: figureCPU, setup: setupMedium,
		load: load{conns: 64, path: "/16384"},
	},
	{
		name: "body-1m", title: "1 MiB answers, 16 connections", figure: figureCPU, ratio: 0.65, setup: setupLarge,
		load: load{conns: 16, path: "/1048576"},
	},
	{
		name: "rules-64", title: "20 rules, access log and metrics, 128 B, 64 connections", figure: figureCPU, ratio: 0.85, setup: setupRules,
		load: load{conns: 64, path: underRule("/128")},
	},
	{
		name: "rules-256", title: "20 rules, access log and metrics, 128 B, 256 connections", figure: figureCPU, ratio: 0.85, setup: setupRules,
		load: load{conns: 256, path: underRule("/128")},
	},
	{
		name: "sticky-64", title: "20 rules, stickiness by cookie, access log and metrics, 128 B, 64 connections", figure: figureCPU, ratio: 0.85, setup: setupSticky,
		load: load{conns: 64, path: underRule("/128")},
	},
	{
		name: "unpinned", title: "128 B answers, 64 connections, all on all processors", figure: figureCPU,
		unpinned: true, load: load{conns: 64, path: "/128"},
	},
	{
		name: "idle", title: "memory per idle connection", figure: figureMemory, limit: 1024,
		kind: idleConns, load: load{conns: idleConnections, path: "/128"},
	},
}

func caseNames() []string {
	names := make([]string, len(cases))
	for i, c := range cases {
		names[i] = c.name
	}
	return names
}

// target is the verdict's condition in words, empty when there is none.
func (c benchCase) target() string {
	switch {
	case c.ratio > 0:
		return fmt.Sprintf("%s ≤ %.2f× the best peer's", c.figure, c.ratio)
	case c.limit > 0:
		return fmt.Sprintf("%s ≤ %.0f", c.figure, c.limit)
	}
	return ""
}

// browserHeaders are request header lines as a browser sends them, with a
// cookie that fills the head that wrk builds from them up to size bytes. The
// Host line, which wrk adds, is counted with a port of five digits.
func browserHeaders(size int, path string) []string {
	headers := []string{
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		"Accept-Language: en-US,en;q=0.5",
		"Accept-Encoding: gzip, deflate, br",
		"Sec-Fetch-Mode: navigate",
		"Cookie: session=",
	}
	have := len("GET "+path+" HTTP/1.1\r\n") + len("Host: 127.0.0.1:65535\r\n") + len("\r\n")
	for _, h := range headers {
		have += len(h) + len("\r\n")
	}
	headers[len(headers)-1] += strings.Repeat("0123456789abcdef", size/16)[:max(0, size-have)]
	return headers
}

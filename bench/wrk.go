package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// wrkResult is what wrk prints, in our units.
type wrkResult struct {
	Requests int
	Seconds  float64
	P50, P99 float64 // microseconds; of a closed loop at saturation
	Errors   int     // socket errors and answers that were not 2xx or 3xx
}

// runWrk drives one thread of wrk at a port as fast as the answers come.
func (b *bencher) runWrk(ctx context.Context, cpus cpuSet, port int, l load, seconds int) (wrkResult, error) {
	argv := []string{"wrk", "-t1", "-c" + strconv.Itoa(l.conns), "-d" + strconv.Itoa(seconds) + "s", "--latency", "--timeout", "8s"}
	for _, h := range l.headers {
		argv = append(argv, "-H", h)
	}
	argv = append(argv, fmt.Sprintf("http://127.0.0.1:%d%s", port, l.path))
	outPath := b.dir + "/wrk.out"
	_ = os.Remove(outPath)
	p, err := start(launch{name: "wrk", argv: argv, cpus: cpus, stdout: outPath, stderr: outPath})
	if err != nil {
		return wrkResult{}, err
	}
	defer p.stop()
	timer := time.NewTimer(time.Duration(seconds)*time.Second + 15*time.Second)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-ctx.Done():
		return wrkResult{}, ctx.Err()
	case <-timer.C:
		return wrkResult{}, errors.New("wrk did not end in time")
	}
	text, err := os.ReadFile(outPath)
	if err != nil {
		return wrkResult{}, err
	}
	if p.err != nil {
		return wrkResult{}, fmt.Errorf("wrk: %w: %s", p.err, strings.TrimSpace(string(text)))
	}
	return parseWrk(string(text))
}

// parseWrk reads the report of "wrk --latency".
func parseWrk(text string) (wrkResult, error) {
	var r wrkResult
	var err error
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		f := strings.Fields(line)
		switch {
		case len(f) == 2 && f[0] == "50%":
			r.P50, err = parseWrkTime(f[1])
			seen["50%"] = true
		case len(f) == 2 && f[0] == "99%":
			r.P99, err = parseWrkTime(f[1])
			seen["99%"] = true
		case len(f) >= 4 && f[1] == "requests" && f[2] == "in":
			if r.Requests, err = strconv.Atoi(f[0]); err == nil {
				var us float64
				us, err = parseWrkTime(strings.TrimSuffix(f[3], ","))
				r.Seconds = us / 1e6
			}
			seen["requests"] = true
		case strings.HasPrefix(line, "Socket errors:"):
			for _, word := range f {
				if n, e := strconv.Atoi(strings.TrimSuffix(word, ",")); e == nil {
					r.Errors += n
				}
			}
		case strings.HasPrefix(line, "Non-2xx or 3xx responses:"):
			var n int
			n, err = strconv.Atoi(f[len(f)-1])
			r.Errors += n
		}
		if err != nil {
			return r, fmt.Errorf("wrk line %q: %w", line, err)
		}
	}
	for _, what := range []string{"50%", "99%", "requests"} {
		if !seen[what] {
			return r, fmt.Errorf("wrk's report lacks its %q line: %s", what, strings.TrimSpace(text))
		}
	}
	return r, nil
}

// parseWrkTime reads a number with one of wrk's units, into microseconds.
func parseWrkTime(s string) (float64, error) {
	for _, u := range []struct {
		suffix string
		micros float64
	}{{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"h", 3600e6}} {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || v < 0 {
			return 0, fmt.Errorf("time %q", s)
		}
		return v * u.micros, nil
	}
	return 0, fmt.Errorf("time %q has no unit", s)
}

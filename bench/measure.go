package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// bencher is a run in progress: who takes part, what is started, what is known
// so far. All of it belongs to the main goroutine.
type bencher struct {
	opt      options
	online   cpuSet
	field    []*contestant
	dir      string
	progress io.Writer

	target     *process
	main       int // ports of the target's faces
	other      int
	lineUp     []*running // those at work now
	lineUpCase benchCase  // what they were started for
	sites      int        // how many sites were made; names their directories
	peerRate   float64    // requests/s of the best peer at 64 connections, pinned; 0 until known
	peerCase   string     // what peerRate was measured in
}

// round is what one contestant did in one round of a case. Times are in
// microseconds; a figure that the case does not have is 0.
type round struct {
	Requests    int     `json:"requests,omitempty"`
	Seconds     float64 `json:"seconds,omitempty"`
	CPU         float64 `json:"cpu_us_per_request,omitempty"`
	TargetCPU   float64 `json:"target_cpu_us_per_request,omitempty"`
	Rate        float64 `json:"requests_per_second,omitempty"`
	P50         float64 `json:"p50_us,omitempty"`
	P99         float64 `json:"p99_us,omitempty"`
	LatenessP99 float64 `json:"generator_lateness_p99_us,omitempty"`
	Busy        float64 `json:"processors_busy,omitempty"`             // CPU seconds per second
	Foreign     float64 `json:"processors_busy_with_others,omitempty"` // pinned cases only
	Memory      float64 `json:"bytes_per_connection,omitempty"`
	Errors      int     `json:"errors"`
	LogLines    int     `json:"log_lines,omitempty"`
	Trouble     string  `json:"trouble,omitempty"`
}

const (
	warmUp = time.Second
	// Requests/s of every open loop in a run that only has to work, wherever it
	// runs.
	shortRate = 500
	// A round in which others took more than this part of the contestant's
	// processor is worth a remark: caches and waiting times suffered.
	foreignLimit = 0.10
	// How long the log of a round may take to reach its file: nginx flushes
	// once a second.
	logPatience = 2500 * time.Millisecond
)

// startTarget starts the target that all contestants forward to.
func (b *bencher) startTarget(ctx context.Context) error {
	argv, err := self(roleTarget)
	if err != nil {
		return err
	}
	b.target, err = start(launch{name: "target", argv: argv, env: rawEnv, cpus: b.opt.loadCPUs, dialogue: true, stderr: filepath.Join(b.dir, "target.err")})
	if err != nil {
		return err
	}
	line, err := b.target.expect(ctx, 5*time.Second)
	if err != nil {
		return err
	}
	if _, err := fmt.Sscanf(line, targetReady, &b.main, &b.other); err != nil {
		return fmt.Errorf("target said %q: %w", line, err)
	}
	return nil
}

// close ends everything that was started.
func (b *bencher) close() {
	b.dismiss()
	b.target.stop()
}

func (b *bencher) dismiss() {
	for _, r := range b.lineUp {
		r.proc.stop()
	}
	b.lineUp = nil
}

// measureDirect loads the target without anything between: the ceiling of the
// load, and the proof that the target is cheap.
func (b *bencher) measureDirect(ctx context.Context) (round, error) {
	before, err := sampleCPU(b.target.pid)
	if err != nil {
		return round{}, err
	}
	w, err := b.runWrk(ctx, b.opt.loadCPUs, b.main, load{conns: 64, path: "/128"}, b.opt.seconds)
	if err != nil {
		return round{}, err
	}
	after, err := sampleCPU(b.target.pid)
	if err != nil {
		return round{}, err
	}
	r := closedRound(w)
	r.TargetCPU = ratio(micros(after.since(before)), float64(r.Requests))
	return r, nil
}

// runCase measures every contestant of the field in interleaved rounds.
func (b *bencher) runCase(ctx context.Context, c benchCase) (caseResult, error) {
	res := caseResult{benchCase: c}
	if c.kind == idleConns {
		return b.runIdle(ctx, c)
	}
	if err := b.assemble(ctx, c); err != nil {
		return res, err
	}
	if c.kind == openLoop && b.opt.short {
		c.load.rate, res.Note = shortRate, "slower than usual, as the run is short"
	}
	if c.kind == openLoop && c.load.rate == 0 {
		if err := b.halfLoad(ctx, &c, &res); err != nil {
			return res, err
		}
	}
	res.Rate = c.load.rate
	rounds := make([][]round, len(b.lineUp))
	for n := range b.opt.rounds {
		for i := range b.lineUp {
			// Each round starts with the next one, so that nobody always
			// follows the same neighbour.
			i = (i + n) % len(b.lineUp)
			r, err := b.measure(ctx, b.lineUp[i], c, uint64(n+1))
			if err != nil {
				return res, fmt.Errorf("%s, round %d: %w", b.lineUp[i].name, n+1, err)
			}
			fmt.Fprintf(b.progress, "%s round %d/%d %s: %.1f µs/request, %.0f requests/s, p99 %.0f µs %s\n",
				c.name, n+1, b.opt.rounds, b.lineUp[i].name, r.CPU, r.Rate, r.P99, r.Trouble)
			rounds[i] = append(rounds[i], r)
		}
	}
	for i, r := range b.lineUp {
		res.add(r.contestant, rounds[i])
	}
	if c.name == "small-64" {
		b.peerRate, b.peerCase = res.bestPeerRate(), "case small-64"
	}
	return res, nil
}

// assemble starts the field for a case, unless it stands as needed already.
func (b *bencher) assemble(ctx context.Context, c benchCase) error {
	if len(b.lineUp) > 0 && b.lineUpCase.setup == c.setup && b.lineUpCase.unpinned == c.unpinned {
		return nil
	}
	b.dismiss()
	b.lineUpCase = c
	if err := setAffinity(b.target.pid, b.loadCPUs(c)); err != nil {
		return err
	}
	for _, who := range b.field {
		r, err := b.startContestant(ctx, who, c)
		if err != nil {
			return err
		}
		b.lineUp = append(b.lineUp, r)
	}
	return nil
}

func (b *bencher) startContestant(ctx context.Context, who *contestant, c benchCase) (*running, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	b.sites++
	cpus := b.proxyCPUs(c)
	return who.start(ctx, site{
		setup: c.setup, dir: filepath.Join(b.dir, strconv.Itoa(b.sites)+"-"+who.name),
		port: port, main: b.main, other: b.other, cores: len(cpus), files: fileLimit(),
	}, cpus)
}

func (b *bencher) proxyCPUs(c benchCase) cpuSet {
	if c.unpinned {
		return b.online
	}
	return b.opt.proxyCPUs
}

func (b *bencher) loadCPUs(c benchCase) cpuSet {
	if c.unpinned {
		return b.online
	}
	return b.opt.loadCPUs
}

// halfLoad sets the rate of a case to half of what the best peer reaches at 64
// connections. Without a peer it is half of what there is.
func (b *bencher) halfLoad(ctx context.Context, c *benchCase, res *caseResult) error {
	if b.peerRate == 0 {
		b.peerCase = "a run before this case"
		peers := 0
		for _, r := range b.lineUp {
			if r.peer {
				peers++
			}
		}
		for _, r := range b.lineUp {
			if !r.peer && peers > 0 {
				continue
			}
			w, err := b.runWrk(ctx, b.opt.loadCPUs, r.site.port, c.load, b.opt.seconds)
			if err != nil {
				return err
			}
			b.peerRate = max(b.peerRate, ratio(float64(w.Requests), w.Seconds))
		}
	}
	c.load.rate = float64(int(b.peerRate / 2))
	res.Note = "half of the rate in " + b.peerCase
	return nil
}

// measure warms one contestant and takes one round of it.
func (b *bencher) measure(ctx context.Context, r *running, c benchCase, seed uint64) (round, error) {
	if c.setup == setupSticky {
		c.load.headers = append(slices.Clip(c.load.headers), "Cookie: "+r.cookies)
	}
	if c.kind == closedLoop && !b.opt.short {
		if _, err := b.runWrk(ctx, b.loadCPUs(c), r.site.port, c.load, int(warmUp/time.Second)); err != nil {
			return round{}, fmt.Errorf("warm-up: %w", err)
		}
	}
	if c.setup.rules() {
		// Keeps the file small; all append, so they go on at its start.
		if err := os.Truncate(r.site.accessLog(), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return round{}, err
		}
	}
	var took round
	var err error
	if c.kind == openLoop {
		took, err = b.paced(ctx, r, c, seed)
	} else {
		took, err = b.metered(r, c, func() (round, error) {
			w, err := b.runWrk(ctx, b.loadCPUs(c), r.site.port, c.load, b.opt.seconds)
			return closedRound(w), err
		})
	}
	if err == nil && r.proc.exited() {
		err = fmt.Errorf("%s ended under load: %v: %s", r.name, r.proc.err, tail(r.site.errorLog()))
	}
	if err == nil && c.setup.rules() {
		err = took.countLog(ctx, r.site.accessLog())
	}
	return took, err
}

func closedRound(w wrkResult) round {
	r := round{Requests: w.Requests, Seconds: w.Seconds, Rate: ratio(float64(w.Requests), w.Seconds), P50: w.P50, P99: w.P99, Errors: w.Errors}
	if w.Requests == 0 {
		r.Errors++
		r.Trouble = "no request was answered"
	} else if w.Errors > 0 {
		r.Trouble = fmt.Sprintf("%d errors", w.Errors)
	}
	return r
}

// metered takes the processor time of contestant and target around a load.
func (b *bencher) metered(r *running, c benchCase, drive func() (round, error)) (round, error) {
	var before, after [2]cpuSample
	busyBefore, err := sampleBusy(b.proxyCPUs(c))
	if err != nil {
		return round{}, err
	}
	groups := [2]int{r.proc.pid, b.target.pid}
	for i, g := range groups {
		if before[i], err = sampleCPU(g); err != nil {
			return round{}, err
		}
	}
	began := time.Now()
	took, err := drive()
	if err != nil {
		return took, err
	}
	lasted := time.Since(began)
	for i, g := range groups {
		if after[i], err = sampleCPU(g); err != nil {
			return took, err
		}
	}
	busy, err := sampleBusy(b.proxyCPUs(c))
	if err != nil {
		return took, err
	}
	spent := after[0].since(before[0])
	if !c.unpinned {
		took.Foreign = max(0, (busy-busyBefore-spent).Seconds()/lasted.Seconds())
		if took.Foreign > foreignLimit {
			took.Trouble += fmt.Sprintf(" others used %.0f%% of the contestant's processor", 100*took.Foreign)
		}
	}
	took.CPU = ratio(micros(spent), float64(took.Requests))
	took.TargetCPU = ratio(micros(after[1].since(before[1])), float64(took.Requests))
	took.Busy = spent.Seconds() / lasted.Seconds()
	return took, nil
}

// paced takes one open-loop round.
func (b *bencher) paced(ctx context.Context, r *running, c benchCase, seed uint64) (round, error) {
	argv, err := self(rolePaced, r.site.port, c.load.path, c.load.conns, c.load.rate, b.opt.seconds, seed)
	if err != nil {
		return round{}, err
	}
	errPath := filepath.Join(b.dir, "paced.err")
	p, err := start(launch{name: "paced", argv: argv, env: rawEnv, cpus: b.loadCPUs(c), dialogue: true, stderr: errPath})
	if err != nil {
		return round{}, err
	}
	defer p.stop()
	if _, err := p.expect(ctx, 20*time.Second); err != nil {
		return round{}, fmt.Errorf("%w: %s", err, tail(errPath))
	}
	return b.metered(r, c, func() (round, error) {
		if err := p.say("go"); err != nil {
			return round{}, err
		}
		line, err := p.expect(ctx, time.Duration(b.opt.seconds)*time.Second+pacedPatience+10*time.Second)
		if err != nil {
			return round{}, fmt.Errorf("%w: %s", err, tail(errPath))
		}
		var got pacedResult
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			return round{}, fmt.Errorf("paced said %q: %w", line, err)
		}
		took := round{
			Requests: got.Requests, Seconds: got.Seconds, Rate: ratio(float64(got.Requests), got.Seconds),
			P50: got.P50, P99: got.P99, LatenessP99: got.LatenessP99, Errors: got.Unanswered,
		}
		if got.Unanswered > 0 {
			took.Trouble = fmt.Sprintf("%d requests not answered in time", got.Unanswered)
		}
		return took, nil
	})
}

// countLog waits until the log has a line for every request of the round. A
// contestant that drops lines has saved work that the others did.
func (r *round) countLog(ctx context.Context, path string) error {
	deadline := time.Now().Add(logPatience)
	for {
		var err error
		if r.LogLines, err = countLines(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if r.LogLines >= r.Requests {
			return nil
		}
		if time.Now().After(deadline) {
			r.Trouble += fmt.Sprintf(" logged %d of %d requests", r.LogLines, r.Requests)
			if r.LogLines == 0 {
				r.Errors++ // it does not log at all
			}
			return nil
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func countLines(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf, lines := make([]byte, 256<<10), 0
	for {
		n, err := f.Read(buf)
		lines += bytes.Count(buf[:n], []byte("\n"))
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

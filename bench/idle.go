package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"
)

const (
	// Memory counts as settled when it has moved by less than this over
	// settleSpan; waiting for that is bounded by settleLimit.
	settleDrift = 0.005
	settleStep  = 250 * time.Millisecond
	settleSpan  = 8 // steps
	settleLimit = 15 * time.Second
	// Rounds of the idle case: memory hardly varies, and each needs a restart.
	idleRounds = 3
)

// runIdle measures the user-space memory an idle connection costs: what the
// process group's proportional set size grows by between a warm, empty
// contestant and one that holds the connections, by their number. Kernel
// memory, which is the same for all, is not in it.
func (b *bencher) runIdle(ctx context.Context, c benchCase) (caseResult, error) {
	b.dismiss()
	if b.opt.short {
		c.load.conns = idleConnectionsShort
	}
	// A contestant may keep two descriptors per client.
	c.load.conns = min(c.load.conns, (fileLimit()-1000)/2)
	res := caseResult{benchCase: c, Note: fmt.Sprintf("%d connections", c.load.conns)}
	if err := setAffinity(b.target.pid, b.opt.loadCPUs); err != nil {
		return res, err
	}
	for _, who := range b.field {
		var rounds []round
		for n := range min(idleRounds, b.opt.rounds) {
			r, err := b.measureIdle(ctx, who, c)
			if err != nil {
				return res, fmt.Errorf("%s, round %d: %w", who.name, n+1, err)
			}
			fmt.Fprintf(b.progress, "%s round %d %s: %.0f bytes/connection %s\n", c.name, n+1, who.name, r.Memory, r.Trouble)
			rounds = append(rounds, r)
		}
		res.add(who, rounds)
	}
	return res, nil
}

func (b *bencher) measureIdle(ctx context.Context, who *contestant, c benchCase) (round, error) {
	r, err := b.startContestant(ctx, who, c)
	if err != nil {
		return round{}, err
	}
	defer r.proc.stop()
	if _, err := b.runWrk(ctx, b.opt.loadCPUs, r.site.port, load{conns: 16, path: c.load.path}, 1); err != nil {
		return round{}, fmt.Errorf("warm-up: %w", err)
	}
	empty, err := b.settled(ctx, r.proc.pid)
	if err != nil {
		return round{}, err
	}
	argv, err := self(roleHold, r.site.port, c.load.path, c.load.conns)
	if err != nil {
		return round{}, err
	}
	errPath := filepath.Join(b.dir, "hold.err")
	p, err := start(launch{name: "hold", argv: argv, cpus: b.opt.loadCPUs, dialogue: true, stderr: errPath})
	if err != nil {
		return round{}, err
	}
	defer p.stop()
	if _, err := p.expect(ctx, time.Minute); err != nil {
		return round{}, fmt.Errorf("%w: %s", err, tail(errPath))
	}
	full, err := b.settled(ctx, r.proc.pid)
	if err != nil {
		return round{}, err
	}
	if err := p.say("go"); err != nil {
		return round{}, err
	}
	line, err := p.expect(ctx, time.Minute)
	if err != nil {
		return round{}, fmt.Errorf("%w: %s", err, tail(errPath))
	}
	var held holdResult
	if err := json.Unmarshal([]byte(line), &held); err != nil {
		return round{}, errors.Join(fmt.Errorf("hold said %q", line), err)
	}
	took := round{Memory: float64(full-empty) / float64(c.load.conns), Errors: c.load.conns - held.Alive}
	if took.Errors > 0 {
		took.Trouble = fmt.Sprintf("%d idle connections were not there any more (%s)", took.Errors, held.Error)
	}
	return took, nil
}

// settled is the memory of the group once it stays the same.
func (b *bencher) settled(ctx context.Context, group int) (int64, error) {
	span, limit := settleSpan, settleLimit
	if b.opt.short {
		span, limit = 1, time.Second
	}
	deadline := time.Now().Add(limit)
	var seen []int64
	for {
		n, err := sampleMemory(group)
		if err != nil {
			return 0, err
		}
		seen = append(seen, n)
		if past := len(seen) - 1 - span; past >= 0 {
			if math.Abs(float64(n-seen[past])) <= settleDrift*float64(n) || time.Now().After(deadline) {
				return n, nil
			}
		}
		if err := sleep(ctx, settleStep); err != nil {
			return 0, err
		}
	}
}

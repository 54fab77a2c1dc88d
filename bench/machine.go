package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is what figures depend on and a reader cannot see in them.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Memory string `json:"memory"`
	Arch   string `json:"arch"`
}

func describeMachine() machine {
	m := machine{CPU: "unknown", Cores: runtime.NumCPU(), Kernel: "unknown", Memory: "unknown", Arch: runtime.GOARCH}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if v, ok := colonField(string(text), "model name"); ok {
			m.CPU = v
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if v, ok := colonField(string(text), "MemTotal"); ok {
			m.Memory = roundGiB(v)
		}
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return m
}

// colonField finds the value of the first "name : value" line.
func colonField(text, name string) (string, bool) {
	for line := range strings.Lines(text) {
		k, v, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v), true
		}
	}
	return "", false
}

// roundGiB turns "16384000 kB" into whole GiB, and leaves what it cannot read.
func roundGiB(s string) string {
	kib, err := strconv.ParseFloat(strings.TrimSuffix(s, " kB"), 64)
	if err != nil {
		return s
	}
	return strconv.FormatFloat(kib/(1<<20), 'f', 0, 64) + " GiB"
}

// versions are those of the contestants and of the Go that built us, which is
// the one that builds Elbow.
func versions(field []*contestant) map[string]string {
	v := map[string]string{"go": runtime.Version()}
	for _, c := range field {
		v[c.name] = c.version
	}
	return v
}

// commit names the tree that was measured; "-dirty" says it holds more than
// the commit, dated results aside.
func commit(ctx context.Context, root string) string {
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = root
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	id, err := git("rev-parse", "--short=10", "HEAD")
	if err != nil {
		return "unknown"
	}
	if changed, err := git("status", "--porcelain", "--", ".", ":(exclude)bench/results"); err != nil || changed != "" {
		id += "-dirty"
	}
	return id
}

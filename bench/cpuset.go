package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cpuSet is a sorted list of processor numbers, never empty once parsed.
type cpuSet []int

// parseCPUSet reads the kernel's list form: "0", "0,2", "0-3,6".
func parseCPUSet(s string) (cpuSet, error) {
	var set cpuSet
	for _, part := range strings.Split(strings.TrimSpace(s), ",") {
		lo, hi, ranged := strings.Cut(part, "-")
		a, err := strconv.Atoi(lo)
		if err != nil {
			return nil, fmt.Errorf("processor list %q: %q is not a number", s, lo)
		}
		b := a
		if ranged {
			if b, err = strconv.Atoi(hi); err != nil {
				return nil, fmt.Errorf("processor list %q: %q is not a number", s, hi)
			}
		}
		if a < 0 || b < a || b > 1023 {
			return nil, fmt.Errorf("processor list %q: bad range %q", s, part)
		}
		for n := a; n <= b; n++ {
			set = append(set, n)
		}
	}
	slices.Sort(set)
	return slices.Compact(set), nil
}

func (s cpuSet) String() string {
	words := make([]string, len(s))
	for i, n := range s {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ",")
}

func (s cpuSet) mask() *unix.CPUSet {
	var m unix.CPUSet
	for _, n := range s {
		m.Set(n)
	}
	return &m
}

// onlineCPUs is the set this process may use, which a container may have made
// smaller than the machine.
func onlineCPUs() (cpuSet, error) {
	var m unix.CPUSet
	if err := unix.SchedGetaffinity(0, &m); err != nil {
		return nil, fmt.Errorf("sched_getaffinity: %w", err)
	}
	var set cpuSet
	for n := 0; len(set) < m.Count(); n++ {
		if m.IsSet(n) {
			set = append(set, n)
		}
	}
	return set, nil
}

// defaultPlacement gives the contestant the second processor and the load and
// the target the first. With a single processor they share it, and figures
// mean little.
func defaultPlacement(online cpuSet) (proxy, load cpuSet) {
	if len(online) < 2 {
		return online, online
	}
	return cpuSet{online[1]}, cpuSet{online[0]}
}

// setAffinity moves every thread that process pid has now. Threads started
// later inherit from the one that starts them.
func setAffinity(pid int, set cpuSet) error {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return err
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		if err := unix.SchedSetaffinity(tid, set.mask()); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("sched_setaffinity of %d to processors %s: %w", tid, set, err)
		}
	}
	return nil
}

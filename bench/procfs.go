package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// One clock tick of /proc/PID/stat. USER_HZ is 100 on every architecture that
// Go and the peers run on.
const clockTick = 10 * time.Millisecond

// procStat is what is needed of /proc/PID/stat.
type procStat struct {
	group int           // process group
	ticks time.Duration // user and system time of all threads, exited ones too
}

// parseStat reads one line of /proc/PID/stat (proc(5)). The command in
// parentheses may hold anything, so counting starts after the last one.
func parseStat(line string) (procStat, error) {
	end := strings.LastIndexByte(line, ')')
	if end < 0 {
		return procStat{}, fmt.Errorf("stat line %q: no command", line)
	}
	f := strings.Fields(line[end+1:])
	// f[0] is field 3 of proc(5): group is 5, utime 14, stime 15.
	if len(f) < 13 {
		return procStat{}, fmt.Errorf("stat line %q: %d fields after the command", line, len(f))
	}
	var n [3]int64
	for i, field := range []int{5, 14, 15} {
		v, err := strconv.ParseInt(f[field-3], 10, 64)
		if err != nil {
			return procStat{}, fmt.Errorf("stat line %q: field %d: %w", line, field, err)
		}
		n[i] = v
	}
	return procStat{group: int(n[0]), ticks: time.Duration(n[1]+n[2]) * clockTick}, nil
}

// parseSchedstat reads /proc/PID/task/TID/schedstat: time on a processor in
// nanoseconds, time waiting for one, number of slices.
func parseSchedstat(line string) (time.Duration, error) {
	f := strings.Fields(line)
	if len(f) != 3 {
		return 0, fmt.Errorf("schedstat line %q: %d fields", line, len(f))
	}
	ns, err := strconv.ParseInt(f[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("schedstat line %q: %w", line, err)
	}
	return time.Duration(ns), nil
}

// cpuSample is the processor time of a process group at one moment.
type cpuSample struct {
	threads map[int]time.Duration // thread → time on a processor, exact
	ticks   time.Duration         // the whole group, in clock ticks
}

// sampleCPU reads the processor time of every thread of the group.
func sampleCPU(group int) (cpuSample, error) {
	s := cpuSample{threads: map[int]time.Duration{}}
	pids, err := groupMembers(group)
	if err != nil {
		return s, err
	}
	for pid, st := range pids {
		s.ticks += st.ticks
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if ended(err) {
			continue
		}
		if err != nil {
			return s, err
		}
		for _, task := range tasks {
			tid, err := strconv.Atoi(task.Name())
			if err != nil {
				continue
			}
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/schedstat", pid, tid))
			if err != nil {
				continue // ended meanwhile; since notices
			}
			if s.threads[tid], err = parseSchedstat(string(text)); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// ended tells whether a file of /proc could not be read because its process
// ended meanwhile.
func ended(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

// since is the processor time spent between two samples. A thread that ended
// took its exact figure with it; then the clock ticks, which keep it, are used.
func (s cpuSample) since(before cpuSample) time.Duration {
	var sum time.Duration
	for tid, t := range s.threads {
		sum += t - before.threads[tid]
	}
	for tid := range before.threads {
		if _, alive := s.threads[tid]; !alive {
			return max(sum, s.ticks-before.ticks)
		}
	}
	return sum
}

// groupMembers finds the processes of a group.
func groupMembers(group int) (map[int]procStat, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	members := map[int]procStat{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // ended meanwhile
		}
		st, err := parseStat(string(text))
		if err != nil {
			return nil, err
		}
		if st.group == group {
			members[pid] = st
		}
	}
	if len(members) == 0 {
		return nil, fmt.Errorf("process group %d is gone", group)
	}
	return members, nil
}

// parseBusy reads from /proc/stat how long the processors of a set have not
// been idle, whoever used them.
func parseBusy(text string, set cpuSet) (time.Duration, error) {
	var sum time.Duration
	found := 0
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 9 || !strings.HasPrefix(f[0], "cpu") {
			continue
		}
		n, err := strconv.Atoi(f[0][len("cpu"):])
		if err != nil || !slices.Contains(set, n) {
			continue // the sum of all is "cpu" without a number
		}
		found++
		// user nice system idle iowait irq softirq steal
		for _, i := range []int{1, 2, 3, 6, 7, 8} {
			ticks, err := strconv.ParseInt(f[i], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/stat line %q: %w", line, err)
			}
			sum += time.Duration(ticks) * clockTick
		}
	}
	if found != len(set) {
		return 0, fmt.Errorf("/proc/stat has %d of the processors %s", found, set)
	}
	return sum, nil
}

// sampleBusy is parseBusy of now.
func sampleBusy(set cpuSet) (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseBusy(string(text), set)
}

// parsePss finds the proportional set size, in bytes, in a smaps_rollup: memory
// of the process, with what it shares counted by its share.
func parsePss(text []byte) (int64, error) {
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		value, ok := bytes.CutPrefix(line, []byte("Pss:"))
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(value, []byte("kB")))), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("smaps_rollup: %w", err)
		}
		return kib << 10, nil
	}
	return 0, errors.New("smaps_rollup: no Pss line")
}

// sampleMemory is the user-space memory of the process group in bytes.
func sampleMemory(group int) (int64, error) {
	pids, err := groupMembers(group)
	if err != nil {
		return 0, err
	}
	var sum int64
	for pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if ended(err) {
			continue
		}
		if err != nil {
			return 0, err
		}
		n, err := parsePss(text)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

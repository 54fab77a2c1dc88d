package main

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// limitMemory lets the garbage collector know how much memory the daemon's
// control group (a container, a unit with MemoryMax) may use, less a tenth for
// what is not the Go heap's: the collector works harder near the limit, where the
// kernel would kill. GOMEMLIMIT, when it is set, has been obeyed already. It
// returns the limit in bytes, or 0.
func limitMemory() int64 {
	if os.Getenv("GOMEMLIMIT") != "" {
		return 0
	}
	limit := groupLimit(os.DirFS("/"))
	if limit == math.MaxInt64 {
		return 0
	}
	limit -= limit / 10
	debug.SetMemoryLimit(limit)
	return limit
}

// groupLimit returns the memory limit of this process's control group (version 2)
// and of those that it is in; math.MaxInt64 where there is none.
func groupLimit(root fs.FS) int64 {
	limit := int64(math.MaxInt64)
	data, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return limit
	}
	for line := range strings.Lines(string(data)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue // of version 1
		}
		for dir := path.Join("sys/fs/cgroup", group); strings.HasPrefix(dir, "sys/fs/cgroup"); dir = path.Dir(dir) {
			if n, err := readLimit(root, path.Join(dir, "memory.max")); err == nil {
				limit = min(limit, n)
			}
		}
	}
	return limit
}

func readLimit(root fs.FS, name string) (int64, error) {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, err
	}
	word := strings.TrimSpace(string(data))
	if word == "max" {
		return math.MaxInt64, nil
	}
	n, err := strconv.ParseInt(word, 10, 64)
	if err == nil && n <= 0 {
		err = errors.New("not a limit")
	}
	return n, err
}

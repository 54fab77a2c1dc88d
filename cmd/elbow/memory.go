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

// memoryLimit is how much memory the daemon may use, and who says so.
type memoryLimit struct {
	bytes int64        // 0: no limit
	used  func() int64 // of it; nil: what the Go runtime has
}

// limitMemory finds how much memory the daemon may use: what --memory-limit says
// (flag, 0 when it is not given), else its control group (a container, a unit with
// MemoryMax). The garbage collector is told, less a tenth for what is not the Go
// heap's: it works harder near the limit, where the kernel would kill. GOMEMLIMIT,
// when it is set, has been obeyed already.
func limitMemory(flag int64) memoryLimit {
	l := memoryLimit{bytes: flag}
	if flag == 0 {
		root := os.DirFS("/")
		limit, dir := groupLimit(root)
		if limit == math.MaxInt64 {
			return l
		}
		l = memoryLimit{limit, func() int64 { return groupUsed(root, dir) }}
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(l.bytes - l.bytes/10)
	}
	return l
}

// groupLimit returns the lowest memory limit of this process's control group
// (version 2) and of those that it is in, and whose it is; math.MaxInt64 where
// there is none.
func groupLimit(root fs.FS) (limit int64, dir string) {
	limit = math.MaxInt64
	data, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return limit, ""
	}
	for line := range strings.Lines(string(data)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue // of version 1
		}
		for d := path.Join("sys/fs/cgroup", group); strings.HasPrefix(d, "sys/fs/cgroup"); d = path.Dir(d) {
			if n, err := readLimit(root, path.Join(d, "memory.max")); err == nil && n < limit {
				limit, dir = n, d
			}
		}
	}
	return limit, dir
}

// groupUsed returns what a control group uses of memory that the kernel could not
// take back at once: without the file pages that nobody has used lately. It is 0
// when it cannot be read.
func groupUsed(root fs.FS, dir string) int64 {
	used, err := readLimit(root, path.Join(dir, "memory.current"))
	if err != nil {
		return 0
	}
	stat, err := fs.ReadFile(root, path.Join(dir, "memory.stat"))
	if err != nil {
		return used
	}
	for line := range strings.Lines(string(stat)) {
		if n, ok := strings.CutPrefix(line, "inactive_file "); ok {
			if n, err := strconv.ParseInt(strings.TrimSpace(n), 10, 64); err == nil {
				used -= n
			}
		}
	}
	return used
}

// byteSize is a flag: a number of bytes, with a unit.
type byteSize int64

func (b *byteSize) Type() string { return "size" }

func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*b), 10)
}

// leastMemory is the least that a limit may be: the daemon itself needs a part.
const leastMemory = 32 << 20

func (b *byteSize) Set(s string) error {
	number, shift := s, 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if n, ok := strings.CutSuffix(s, unit); ok {
			number, shift = n, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64>>shift || n<<shift < leastMemory {
		return errors.New("must be a number of bytes, or of KiB, MiB or GiB, such as 512MiB, and at least 32MiB")
	}
	*b = byteSize(n << shift)
	return nil
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

package main

import (
	"math"
	"testing"
	"testing/fstest"
)

func TestGroupLimit(t *testing.T) {
	f := func(name string, files map[string]string, want int64) {
		t.Helper()
		root := fstest.MapFS{}
		for path, text := range files {
			root[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := groupLimit(root); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	const none = math.MaxInt64
	type m = map[string]string
	f("no /proc", m{}, none)
	f("version 1 only", m{"proc/self/cgroup": "4:memory:/x\n"}, none)
	f("a container, which sees itself as the root", m{
		"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1048576\n",
	}, 1<<20)
	f("no limit", m{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, none)
	f("a unit in a slice with a lower limit", m{
		"proc/self/cgroup": "0::/web.slice/elbow.service\n",
		"sys/fs/cgroup/web.slice/elbow.service/memory.max": "2000\n",
		"sys/fs/cgroup/web.slice/memory.max":               "1000\n",
	}, 1000)
	f("a unit without one in a slice without one", m{
		"proc/self/cgroup": "0::/web.slice/elbow.service\n",
		"sys/fs/cgroup/web.slice/elbow.service/memory.max": "max\n",
	}, none)
	f("both versions", m{
		"proc/self/cgroup": "4:memory:/x\n0::/y\n", "sys/fs/cgroup/y/memory.max": "4096\n", "sys/fs/cgroup/x/memory.max": "1\n",
	}, 4096)
	f("what is no number", m{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "lots\n"}, none)
	f("zero", m{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "0\n"}, none)
}

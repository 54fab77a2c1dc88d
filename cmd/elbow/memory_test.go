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
		if got, _ := groupLimit(root); got != want {
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

func TestGroupUsed(t *testing.T) {
	f := func(name string, files map[string]string, want int64) {
		t.Helper()
		root := fstest.MapFS{}
		for path, text := range files {
			root["g/"+path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := groupUsed(root, "g"); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	type m = map[string]string
	f("nothing to read", m{}, 0)
	f("without details", m{"memory.current": "100\n"}, 100)
	f("file pages can be taken back", m{"memory.current": "100\n", "memory.stat": "anon 60\ninactive_file 30\nactive_file 10\n"}, 70)
}

func TestByteSize(t *testing.T) {
	f := func(s string, want int64) {
		t.Helper()
		var b byteSize
		if err := b.Set(s); (err == nil) != (want > 0) || int64(b) != want {
			t.Errorf("%q: %d, %v; want %d", s, b, err, want)
		}
	}
	f("268435456", 256<<20)
	f("256MiB", 256<<20)
	f("65536KiB", 64<<20)
	f("2GiB", 2<<30)
	for _, bad := range []string{"", "0", "-1", "1", "1MiB", "x", "256MB", "256 MiB", "9223372036854775807GiB", "1.5GiB"} {
		f(bad, 0)
	}
}

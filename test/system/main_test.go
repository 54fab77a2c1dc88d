package system

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"testing"
	"time"
)

// elbow is the binary under test.
var elbow string

// raced is whether this binary, and so the daemon, has the race detector.
var raced bool

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(serveRole(role))
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "elbow-system-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	elbow = filepath.Join(dir, "elbow")
	if err := build(elbow); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Half of the tests wait for timeouts and health checks most of the time.
	flag.Parse()
	if n, err := strconv.Atoi(flag.Lookup("test.parallel").Value.String()); err == nil && n < 6 {
		flag.Set("test.parallel", "6")
	}
	return m.Run()
}

// build builds the daemon the way this binary was built: with the race detector
// and the tags, if it has them.
func build(path string) error {
	args := []string{"build", "-o", path}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "-race" && s.Value == "true":
				raced = true
				args = append(args, "-race")
			case s.Key == "-tags":
				args = append(args, "-tags", s.Value)
			}
		}
	}
	cmd := exec.Command("go", append(args, "github.com/elbow-lb/elbow/cmd/elbow")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return nil
}

// scaled returns n, or what of it -short or the race detector leaves: the race
// detector makes everything some ten times dearer.
func scaled(n int) int {
	if testing.Short() {
		n /= 5
	}
	if raced {
		n /= 5
	}
	return n
}

// patience bounds every wait for something that should happen at once. It is
// long because the machine may be busy, and costs nothing while tests pass.
const patience = 30 * time.Second

// eventually asks again and again until ok, for what gives no other sign.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	within(t, patience, what, ok)
}

func within(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
		<-tick.C
	}
}

// program returns the path of a program, or skips the test.
func program(t testing.TB, name string, elsewhere ...string) string {
	t.Helper()
	for _, p := range append([]string{name}, elsewhere...) {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// Package spec holds the behaviour of the load balancer as scripts, by ELB
// concept; see README.md.
package spec

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/elbow-lb/elbow/test/lbtest"
)

func TestMain(m *testing.M) {
	// Scripts wait more than they work: more of them than cores may run at
	// once, unless the command line says how many.
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		flag.Set(f.Name, "8")
	}
	goleak.VerifyTestMain(m)
}

// runAll runs the scripts that can run with opt as parallel subtests, named
// "concept/behaviour".
func runAll(t *testing.T, opt lbtest.Options) {
	files, err := filepath.Glob("*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no scripts")
	}
	for _, f := range files {
		inProcess, daemon, err := lbtest.RunsOn(f)
		if err != nil {
			t.Error(err)
			continue
		}
		if opt.Binary == "" && !inProcess || opt.Binary != "" && !daemon {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.ToSlash(f), ".txtar"), func(t *testing.T) {
			t.Parallel()
			lbtest.Run(t, f, opt)
		})
	}
}

// TestSpec runs the scripts against a load balancer in this process.
func TestSpec(t *testing.T) { runAll(t, lbtest.Options{}) }

// TestDaemon runs the scripts that leave the clock alone against the binary.
func TestDaemon(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary and starts it for every script")
	}
	binary := filepath.Join(t.TempDir(), "elbow")
	build := exec.Command("go", "build", "-o", binary, "../../cmd/elbow")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build ./cmd/elbow: %v\n%s", err, out)
	}
	runAll(t, lbtest.Options{Binary: binary})
}

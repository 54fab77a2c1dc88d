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

// scripts returns the scripts, by "concept/behaviour".
func scripts(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no scripts")
	}
	byName := map[string]string{}
	for _, f := range files {
		byName[strings.TrimSuffix(filepath.ToSlash(f), ".txtar")] = f
	}
	return byName
}

// TestSpec runs every script against a load balancer in this process.
func TestSpec(t *testing.T) {
	for name, file := range scripts(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lbtest.Run(t, file, lbtest.Options{})
		})
	}
}

// TestDaemon runs the scripts that leave the clock alone against the binary.
func TestDaemon(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts the binary for every script")
	}
	binary := filepath.Join(t.TempDir(), "elbow")
	build := exec.Command("go", "build", "-o", binary, "../../cmd/elbow")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build ./cmd/elbow: %v\n%s", err, out)
	}
	for name, file := range scripts(t) {
		ok, err := lbtest.Daemonable(file)
		if err != nil {
			t.Error(err)
		}
		if !ok || err != nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lbtest.Run(t, file, lbtest.Options{Binary: binary})
		})
	}
}

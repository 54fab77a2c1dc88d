package depcheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/version"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestTree holds the module to the table.
func TestTree(t *testing.T) {
	packages := decode[Package](t, goList(t, "-json=ImportPath,Imports,TestImports,XTestImports", "./..."))
	if len(packages) == 0 {
		t.Fatal("go list found no packages")
	}
	for _, v := range Check(packages) {
		t.Error(v)
	}
}

// listed is the part of `go list -deps -json` about modules.
type listed struct {
	ImportPath string
	Module     *struct {
		Path      string
		Main      bool
		GoVersion string
	}
}

// TestLinkedModules bounds what compiles into the binary.
func TestLinkedModules(t *testing.T) {
	if _, err := os.Stat(filepath.Join(root(t), "cmd", "elbow")); errors.Is(err, os.ErrNotExist) {
		t.Skip("cmd/elbow does not exist in this tree")
	}
	var modules []string
	for _, p := range decode[listed](t, goList(t, "-deps", "-json=ImportPath,Module", "./cmd/elbow")) {
		if p.Module != nil && !p.Module.Main && !slices.Contains(modules, p.Module.Path) {
			modules = append(modules, p.Module.Path)
		}
	}
	slices.Sort(modules)
	t.Logf("%d linked modules: %s", len(modules), strings.Join(modules, " "))
	if len(modules) > maxLinkedModules {
		t.Errorf("bin/elbow links %d modules, at most %d: %s", len(modules), maxLinkedModules, strings.Join(modules, " "))
	}
}

// TestGoVersions refuses a dependency that would raise the go line of go.mod
// above the toolchain, which GOTOOLCHAIN=auto would do without a word.
func TestGoVersions(t *testing.T) {
	asks := map[string]string{}
	for _, p := range decode[listed](t, goList(t, "-deps", "-test", "-json=ImportPath,Module", "./...")) {
		if p.Module != nil {
			asks[p.Module.Path] = p.Module.GoVersion
		}
	}
	if asks[Module] == "" {
		t.Fatalf("go list does not say which Go %s asks for", Module)
	}
	for _, v := range CheckGoVersion(strings.TrimPrefix(runtime.Version(), "go"), asks) {
		t.Error(v)
	}
	for module, v := range asks {
		if version.Compare("go"+v, "go"+asks[Module]) > 0 {
			t.Errorf("%s asks for go %s, above our go line %s", module, v, asks[Module])
		}
	}
}

// goList runs `go list` at the root of the module, without cgo as the binary
// is built.
func goList(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}

// decode reads the stream of objects that go list prints.
func decode[T any](t *testing.T, data []byte) []T {
	t.Helper()
	var all []T
	for dec := json.NewDecoder(bytes.NewReader(data)); ; {
		var v T
		if err := dec.Decode(&v); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

package depcheck

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	m := func(paths ...string) []string {
		for i, p := range paths {
			if !strings.HasPrefix(p, "!") {
				paths[i] = Module + "/" + p
			} else {
				paths[i] = p[1:] // foreign
			}
		}
		return paths
	}
	// f checks one package and wants each text in one violation, or none.
	f := func(name string, p Package, want ...string) {
		t.Helper()
		p.ImportPath = Module + "/" + p.ImportPath
		got := Check([]Package{p})
		if len(got) != len(want) {
			t.Errorf("%s: got %d violations %q, want %d", name, len(got), got, len(want))
			return
		}
		for i, w := range want {
			if !strings.Contains(got[i], w) {
				t.Errorf("%s: got %q, want one with %q", name, got[i], w)
			}
		}
	}

	f("down is allowed", Package{ImportPath: "balancer", Imports: m("config", "internal/clock")})
	f("far down is allowed", Package{ImportPath: "cmd/elbow", Imports: m("internal/netio", "api/admin")})
	f("up is not", Package{ImportPath: "config", Imports: m("balancer")}, "imports point down only")
	f("mechanism knows no policy", Package{ImportPath: "internal/http1", Imports: m("config")}, "mechanism knows nothing of policy")
	f("internal/control is policy", Package{ImportPath: "internal/control", Imports: m("listener", "config", "balancer")})
	f("sideways needs an edge", Package{ImportPath: "balancer", Imports: m("tls")}, "do not import each other")
	f("a drawn edge", Package{ImportPath: "listener/application", Imports: m("listener")})
	f("an edge has a direction", Package{ImportPath: "listener", Imports: m("listener/application")}, "do not import each other")
	f("mechanism sideways", Package{ImportPath: "internal/httpmsg", Imports: m("internal/http1")}, "do not import each other")
	f("one tree", Package{ImportPath: "api/admin", Imports: m("api/admin/web")})
	f("unknown", Package{ImportPath: "internal/util"}, "internal/util is not in the table")
	f("tests stand outside", Package{ImportPath: "test/lbtest", Imports: m("cmd/elbow", "internal/control", "!net/http")})
	f("nobody imports the tests", Package{ImportPath: "listener", Imports: m("test/lbtest")}, "imported by nothing of the house")
	f("but test files do", Package{ImportPath: "listener", XTestImports: m("listener", "test/lbtest")})
	f("test files point down too", Package{ImportPath: "internal/netio", TestImports: m("listener")}, "test of internal/netio")
	f("zap in the data path", Package{ImportPath: "listener/application", Imports: m("!go.uber.org/zap")}, "zap stops at")
	f("zap below itself", Package{ImportPath: "balancer/rule", Imports: m("!go.uber.org/zap/zapcore")}, "zap stops at")
	f("zap where it may be", Package{ImportPath: "health/probe", Imports: m("!go.uber.org/zap")})
	f("zap in a test", Package{ImportPath: "balancer", TestImports: m("!go.uber.org/zap")})
	f("a decision does no I/O", Package{ImportPath: "balancer", Imports: m("!net")}, "it is pure")
	f("addresses are not I/O", Package{ImportPath: "balancer", Imports: m("!net/netip")})
}

// TestTable checks the table against itself: an edge that crosses rows or names
// a package that no row has would silently allow nothing.
func TestTable(t *testing.T) {
	for from, tos := range edges {
		fromRow, ok := rowOf(from)
		if !ok {
			t.Errorf("edge from %s, which no row has", from)
		}
		for _, to := range tos {
			toRow, ok := rowOf(to)
			if !ok || toRow != fromRow {
				t.Errorf("edge %s -> %s is not inside one row", from, to)
			}
		}
	}
	for from, tos := range edges {
		for _, to := range tos {
			if reaches(to, from) {
				t.Errorf("edges lead from %s to %s and back", from, to)
			}
		}
	}
	for pkg := range pure {
		if _, ok := rowOf(pkg); !ok {
			t.Errorf("%s is declared pure, but no row has it", pkg)
		}
	}
}

func reaches(from, to string) bool {
	if from == to {
		return true
	}
	for _, next := range edges[from] {
		if reaches(next, to) {
			return true
		}
	}
	return false
}

func TestCheckGoVersion(t *testing.T) {
	f := func(toolchain, asks string, want bool) {
		t.Helper()
		if got := len(CheckGoVersion(toolchain, map[string]string{"m": asks})) > 0; got != want {
			t.Errorf("toolchain %s, module asks %s: violation %v, want %v", toolchain, asks, got, want)
		}
	}
	f("1.26.8", "1.26.8", false)
	f("1.26.8", "1.26", false)
	f("1.26.8", "1.9", false)
	f("1.26.8", "1.26.9", true)
	f("1.26.8", "1.27rc1", true)
	f("1.26.8", "2.0", true)
	f("1.26.8", "", false)
}

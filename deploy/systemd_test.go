package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const unit = "systemd/elbow.service"

// maxExposure is the highest score of `systemd-analyze security` that the unit
// may have, times ten: 0 is sealed, 100 is what a unit without any hardening
// comes near to.
const maxExposure = "20"

func systemdAnalyze(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	return path
}

// TestUnitExposure holds the unit to its hardening.
func TestUnitExposure(t *testing.T) {
	out, err := exec.Command(systemdAnalyze(t), "security", "--no-pager", "--offline=yes", "--threshold="+maxExposure, unit).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if i := strings.LastIndex(string(out), "Overall exposure"); i >= 0 {
		t.Log(strings.TrimSpace(string(out[i:])))
	}
}

// TestUnitVerify lets systemd read the unit: a misspelt setting is otherwise
// ignored with a line in the journal. The binary is replaced by one that every
// machine has.
func TestUnitVerify(t *testing.T) {
	analyze := systemdAnalyze(t)
	data, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "elbow.service")
	text := strings.ReplaceAll(string(data), "/usr/bin/elbow", "/bin/true")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "elbow.service") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestUnitStop pins what a drain needs: the stop limit is above ELB's default
// deregistration delay, and the first signal is the one that drains.
func TestUnitStop(t *testing.T) {
	data, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Type=notify\n", "KillSignal=SIGTERM\n", "TimeoutStopSec=330s\n", "KillMode=mixed\n"} {
		if !strings.Contains(string(data), "\n"+want) {
			t.Errorf("the unit lacks %q", want)
		}
	}
}

package deploy

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/elbow-lb/elbow/internal/metrics"
)

// known maps every metric of the catalog to its labels; histograms and
// summaries go by their series' names.
func known() map[string][]string {
	names := map[string][]string{}
	for _, m := range metrics.Catalog() {
		switch m.Kind {
		case metrics.KindHistogram:
			names[m.Name+"_bucket"] = append(slices.Clone(m.Labels), "le")
			names[m.Name+"_sum"], names[m.Name+"_count"] = m.Labels, m.Labels
		case metrics.KindSummary:
			names[m.Name+"_sum"], names[m.Name+"_count"] = m.Labels, m.Labels
		default:
			names[m.Name] = m.Labels
		}
	}
	return names
}

var (
	metricName = regexp.MustCompile(`\belbow_[a-z0-9_]+`)
	byLabels   = regexp.MustCompile(`\bby \(([^)]*)\)`)
	selectors  = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"`)
)

// checkExpr reports what an expression names that is not in the catalog. Labels
// are looked for among those of all metrics of the expression, and those that
// Prometheus adds itself.
func checkExpr(t *testing.T, where, expr string, names map[string][]string) {
	t.Helper()
	labels := []string{"job", "instance"}
	for _, name := range metricName.FindAllString(expr, -1) {
		l, ok := names[name]
		if !ok {
			t.Errorf("%s: %s is not a metric", where, name)
		}
		labels = append(labels, l...)
	}
	if strings.Contains(expr, "elbow:") { // a recorded series, whose labels its rule gives
		labels = append(labels, "load_balancer")
	}
	var used []string
	for _, m := range byLabels.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(m[1], ",") {
			used = append(used, strings.TrimSpace(label))
		}
	}
	for _, m := range selectors.FindAllStringSubmatch(expr, -1) {
		used = append(used, m[1])
	}
	for _, label := range used {
		if !slices.Contains(labels, label) {
			t.Errorf("%s: no metric of the expression has the label %q: %s", where, label, expr)
		}
	}
}

// TestAlerts checks the rules against the catalog.
func TestAlerts(t *testing.T) {
	data, err := os.ReadFile("prometheus/elbow.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Record, Expr, For string
				Labels, Annotations      map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	names := known()
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			name := r.Alert + r.Record
			if name == "" || seen[name] {
				t.Errorf("rule %q has no name of its own", name)
			}
			seen[name] = true
			checkExpr(t, name, r.Expr, names)
			if r.Alert != "" && (r.Labels["severity"] == "" || r.Annotations["summary"] == "") {
				t.Errorf("%s: an alert needs a severity and a summary", name)
			}
		}
	}
	for _, want := range []string{"ElbowHighErrorRate", "ElbowNoHealthyTargets", "ElbowReloadFailed", "ElbowDescriptors"} {
		if !seen[want] {
			t.Errorf("there is no alert %s", want)
		}
	}
}

// TestDashboard checks every expression of the dashboard.
func TestDashboard(t *testing.T) {
	data, err := os.ReadFile("grafana/elbow.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title  string
		Panels []struct {
			ID      int
			Type    string
			Title   string
			Targets []struct{ Expr string }
		}
		Annotations struct{ List []struct{ Expr string } }
	}
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	names := known()
	ids := map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			checkExpr(t, p.Title, target.Expr, names)
		}
	}
	for _, a := range board.Annotations.List {
		checkExpr(t, "annotation", a.Expr, names)
	}
}

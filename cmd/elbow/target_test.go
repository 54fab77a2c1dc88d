package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/elbow-lb/elbow/internal/control"
)

// Requirement: a target is taken out and put back by command, and a restart knows.
func TestTargetCommands(t *testing.T) {
	dir := shortDir(t)
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	l := startLB(t, hello, []string{"STATE_DIRECTORY=" + dir})
	target := func(args ...string) *process {
		t.Helper()
		return elbow(t, append([]string{"target"}, append(args, "--socket", l.socket())...)...)
	}
	var st control.Status
	status := func() control.TargetGroupStatus {
		t.Helper()
		p := elbow(t, "status", "-o", "json", "--socket", l.socket())
		p.want(exitOK, "", "")
		if err := json.Unmarshal([]byte(p.stdout.String()), &st); err != nil || len(st.TargetGroups) == 0 {
			t.Fatalf("%v: %s", err, p.stdout.String())
		}
		return st.TargetGroups[0]
	}
	g := status()
	id, at := g.Targets[0].ID, g.Targets[0].Address.String()

	target("overrides").want(exitOK, "no overrides", "")
	target("drain", g.Name, at).want(exitOK, "drain", "")
	if g = status(); g.Draining != 1 || g.Targets[0].State != "draining" {
		t.Errorf("%+v", g)
	}
	if _, err := os.Stat(dir + "/overrides.json"); err != nil {
		t.Error(err)
	}
	elbow(t, "status", "--socket", l.socket()).want(exitOK, "1 draining", "")
	target("overrides", "-o", "json").want(exitOK, `"action": "drain"`, "")
	target("register", g.Name, id).want(exitOK, "no overrides", "")
	if g = status(); g.Draining != 0 {
		t.Errorf("%+v", g)
	}
	target("deregister", g.Name, id).want(exitOK, "deregister", "")
	target("overrides", "--clear", g.Name, at).want(exitOK, "no overrides", "")
	target("deregister", g.Name, id).want(exitOK, "deregister", "")
	target("overrides", "--clear").want(exitOK, "no overrides", "")

	target("overrides", "--clear", g.Name, at).want(exitUsage, "", "there is no override")
	target("drain", "nothing", id).want(exitUsage, "", "no target group")
	target("drain", g.Name, "192.0.2.9").want(exitUsage, "", "has no target")
	target("drain", g.Name, id+":0").want(exitUsage, "", "port must be")
	target("drain", g.Name).want(exitUsage, "", "2 arg")
	target("register", g.Name, "a b").want(exitUsage, "", "IP address or a DNS name")
	target("register", g.Name, id, "--zone", "nowhere").want(exitUsage, "", "no zone")
	target("overrides", "-o", "xml").want(exitUsage, "", "table or json")
	elbow(t, "target").want(exitUsage, "", "needs a command")
	elbow(t, "target", "drian", g.Name, id).want(exitUsage, "", "")
	elbow(t, "target", "overrides", "--socket", dir+"/none").want(exitUnreachable, "", "no daemon answers")
}

func TestTargetRef(t *testing.T) {
	f := func(text, id string, port uint16, ok bool) {
		t.Helper()
		ref, err := targetRef([]string{"web", text})
		if (err == nil) != ok || ok && (ref != control.TargetRef{TargetGroup: "web", ID: id, Port: port}) {
			t.Errorf("%s: %+v, %v", text, ref, err)
		}
	}
	f("10.0.0.1", "10.0.0.1", 0, true)
	f("10.0.0.1:80", "10.0.0.1", 80, true)
	f("app.example:8080", "app.example", 8080, true)
	f("2001:db8::1", "2001:db8::1", 0, true)
	f("[2001:db8::1]:80", "2001:db8::1", 80, true)
	f("10.0.0.1:", "", 0, false)
	f("10.0.0.1:65536", "", 0, false)
	f("10.0.0.1:http", "", 0, false)
	f("a:b:c", "", 0, false)
}

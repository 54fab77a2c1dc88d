package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// elbowConfig needs no tuning but the idle timeout, which has to outlive the
// idle case.
func elbowConfig(s site) string {
	var b strings.Builder
	fmt.Fprintf(&b, `version: 1
admin: {socket: %q}
log: {level: warn}
`, filepath.Join(s.dir, "admin.sock"))
	if s.setup.rules() {
		fmt.Fprintf(&b, "access_log: {file: %q, format: elb}\n", s.accessLog())
	}
	fmt.Fprintf(&b, `load_balancers:
  - name: bench
    type: application
    attributes: {idle_timeout.timeout_seconds: 300}
    listeners:
      - protocol: HTTP
        port: %d
        address: 127.0.0.1
`, s.port)
	group := func(main bool) string {
		if main {
			return "main"
		}
		return "other"
	}
	fmt.Fprintf(&b, "        default_actions: [{type: forward, target_group: %s}]\n", group(!s.setup.rules()))
	if s.setup.rules() {
		b.WriteString("        rules:\n")
		for _, r := range ruleSpecs() {
			field, value := "host-header", r.host
			if r.host == "" {
				field, value = "path-pattern", r.prefix+"*"
			}
			fmt.Fprintf(&b, `          - priority: %d
            conditions: [{field: %s, values: [%q]}]
            actions: [{type: forward, target_group: %s}]
`, r.number, field, value, group(r.main))
		}
	}
	b.WriteString("target_groups:\n")
	for _, main := range []bool{true, false} {
		port := s.main
		if !main {
			if !s.setup.rules() {
				continue
			}
			port = s.other
		}
		fmt.Fprintf(&b, `  - name: %s
    protocol: HTTP
    port: %d
    health_check: {path: /1, interval_seconds: 300}
    targets: [{id: 127.0.0.1}]
`, group(main), port)
		if main && s.setup == setupSticky {
			b.WriteString("    attributes: {stickiness.enabled: true}\n")
		}
	}
	return b.String()
}

package main

import (
	"fmt"
	"strings"
)

// haproxyConfig gives HAProxy what its manual and measurement say is fastest
// here: target connections shared by all clients, no limit on how many are
// kept, and splicing in the kernel where bodies are large.
func haproxyConfig(s site) string {
	var b strings.Builder
	// Each client may need a target connection, and each that is spliced two
	// pipes. HAProxy stops keeping idle target connections near its limit on
	// files, unless the ratios are raised.
	pipes := 0
	if s.setup == setupLarge {
		pipes = 1024
	}
	fmt.Fprintf(&b, `global
    nbthread %d
    maxconn %d
    tune.pool-low-fd-ratio 95
    tune.pool-high-fd-ratio 99
`, s.cores, (s.files-500-2*pipes)/2)
	switch s.setup {
	case setupMedium:
		b.WriteString("    tune.bufsize 32768\n")
	case setupLarge:
		fmt.Fprintf(&b, "    tune.pipesize 524288\n    maxpipes %d\n", pipes)
	case setupRules, setupSticky:
		b.WriteString("    log stdout format raw local0 info\n")
	}
	b.WriteString(`
defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 10s
    timeout client 300s
    timeout server 300s
    timeout http-keep-alive 300s
    option forwardfor
`)
	switch s.setup {
	case setupLarge:
		b.WriteString("    option splice-request\n    option splice-response\n")
	case setupRules, setupSticky:
		b.WriteString("    log global\n    option httplog\n")
	}
	if s.setup.rules() {
		fmt.Fprintf(&b, "\nfrontend metrics\n    no log\n    bind unix@%s/metrics.sock\n    http-request use-service prometheus-exporter\n", s.dir)
	}
	fmt.Fprintf(&b, `
frontend bench
    bind 127.0.0.1:%d
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Port %%[dst_port]
`, s.port)
	if s.setup.rules() {
		for _, r := range ruleSpecs() {
			if r.host != "" {
				fmt.Fprintf(&b, "    acl rule%d hdr(host) -i %s\n", r.number, r.host)
			} else {
				fmt.Fprintf(&b, "    acl rule%d path_beg %s\n", r.number, r.prefix)
			}
		}
		for _, r := range ruleSpecs() {
			group := "other"
			if r.main {
				group = "main"
			}
			fmt.Fprintf(&b, "    use_backend %s if rule%d\n", group, r.number)
		}
		b.WriteString("    default_backend other\n")
	} else {
		b.WriteString("    default_backend main\n")
	}
	b.WriteString("\nbackend main\n")
	cookie := ""
	if s.setup == setupSticky {
		// Without "indirect" the cookie is set by every answer, as ours is.
		b.WriteString("    cookie SRV insert\n")
		cookie = " cookie t1"
	}
	fmt.Fprintf(&b, "    server t1 127.0.0.1:%d pool-max-conn -1%s\n", s.main, cookie)
	if s.setup.rules() {
		fmt.Fprintf(&b, "\nbackend other\n    server t1 127.0.0.1:%d pool-max-conn -1\n", s.other)
	}
	return b.String()
}

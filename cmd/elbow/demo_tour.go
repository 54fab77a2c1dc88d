package main

import (
	"fmt"
	"os"
	"strings"
)

// tour prints what there is to see. Every line that is indented by four can be
// pasted into a shell.
func (d *demo) tour() {
	url := fmt.Sprintf("http://127.0.0.1:%d", d.port)
	web2 := "http://" + d.targets[1].addr()
	elbow := os.Args[0]
	var b strings.Builder
	say := func(format string, args ...any) {
		b.WriteString(paint(d.colour, bold, fmt.Sprintf(format, args...)))
		b.WriteByte('\n')
	}
	try := func(format string, args ...any) { fmt.Fprintf(&b, "    "+format+"\n", args...) }

	say("Elbow listens on %s and balances four built-in targets in two zones:", url)
	for _, t := range d.targets {
		fmt.Fprintf(&b, "    %-9s zone %s  http://%s\n", t.name, t.zone, t.addr())
	}
	b.WriteString("\nTry in another terminal:\n\n")

	say("Round robin: web-1 and web-2 take turns")
	try("for i in 1 2 3 4; do curl -s %s/ | head -1; done", url)
	say("What a target sees: X-Forwarded-For, X-Forwarded-Proto, X-Amzn-Trace-Id")
	try("curl -s %s/", url)
	say("A rule: /api/* goes to another target group")
	try("curl -s %s/api/users | head -1", url)
	say("A canary: /shop/* goes to canary-1 one time in five, by weight")
	try("for i in $(seq 20); do curl -s %s/shop/ | head -1; done | sort | uniq -c", url)
	say("A redirect and a fixed response, which no target sees")
	try("curl -si %s/old", url)
	try("curl -si %s/teapot", url)
	say("A target fails: web-2 answers 500 until its second failed check, within 10 s, then gets no requests")
	try("curl -s -X POST %s/fail", web2)
	try("for i in $(seq 15); do curl -s %s/ | head -1; sleep 1; done", url)
	try("%s status --socket %s", elbow, d.socket())
	try("curl -s -X POST %s/recover", web2)
	say("A reload: edit and save; it takes effect at once, or you are told why not")
	try("${EDITOR:-vi} %s", d.config())
	try("%s validate --config %s", elbow, d.config())
	say("Metrics, and readiness")
	try("curl -s --unix-socket %s http://localhost/metrics | grep '^elbow_'", d.socket())
	try("curl -s --unix-socket %s http://localhost/readyz", d.socket())
	b.WriteString("\nCtrl-C ends it.")
	if d.accessLog {
		b.WriteString(" Below are the access log, in ELB's format, and the daemon's log.")
	}
	b.WriteString("\n\n")
	d.out.Write([]byte(b.String()))
}

package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/elbow-lb/elbow/test/gate"
	"github.com/elbow-lb/elbow/test/lbtest"
)

func playElbow(dir string, cases []*gate.Case) ([]*gate.Observation, error) {
	e, err := gate.StartElbow(dir, gate.Modes[0], lanes)
	if err != nil {
		return nil, err
	}
	seen := gate.Run(cases, e.Lanes, gate.Options{})
	if err := e.Close(); err != nil {
		return nil, err
	}
	return seen, e.Read(seen)
}

// site is a listener of a peer and the target behind it.
type site struct {
	name    string
	port    uint16
	target  string
	profile *gate.Profile
}

// sites reserves a port and starts a target for every lane and profile that
// others can be configured for.
func sites() (lanesOf []gate.Lane, all []site, end func(), err error) {
	var ends []func()
	end = func() {
		for _, f := range ends {
			f()
		}
	}
	for i := range lanes {
		lane := gate.Lane{}
		for _, p := range gate.Profiles() {
			if p.OnlyElbow {
				continue
			}
			port, release, err := lbtest.ReservePort()
			if err != nil {
				return nil, nil, end, err
			}
			ends = append(ends, release)
			t, err := gate.NewTarget()
			if err != nil {
				return nil, nil, end, err
			}
			ends = append(ends, t.Close)
			all = append(all, site{fmt.Sprintf("%s_%d", p.Name, i), port, t.Addr(), p})
			lane[p.Name] = gate.Endpoint{Addr: fmt.Sprintf("127.0.0.1:%d", port), Target: t}
		}
		lanesOf = append(lanesOf, lane)
	}
	return lanesOf, all, end, nil
}

func playNginx(dir string, cases []*gate.Case) ([]*gate.Observation, error) {
	return playPeer(dir, cases, "nginx", nginxConfig, func(config string) []string {
		return []string{"-p", dir, "-c", config, "-e", "stderr"}
	})
}

func playHAProxy(dir string, cases []*gate.Case) ([]*gate.Observation, error) {
	return playPeer(dir, cases, "haproxy", haproxyConfig, func(config string) []string { return []string{"-db", "-f", config} })
}

// playPeer plays the cases against a program with a configuration.
func playPeer(dir string, cases []*gate.Case, name string, config func(dir string, all []site) string, args func(string) []string) ([]*gate.Observation, error) {
	binary, err := exec.LookPath(name)
	if err != nil {
		if binary, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			return nil, fmt.Errorf("%s is not installed", name)
		}
	}
	lanesOf, all, end, err := sites()
	defer end()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, name+".conf")
	if err := os.WriteFile(path, []byte(config(dir, all)), 0o600); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	cmd := exec.Command(binary, args(path)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	defer func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
	}()
	for _, s := range all {
		if !accepts(s.port, ended) {
			cmd.Process.Kill()
			<-ended
			return nil, fmt.Errorf("%s does not come up: %s", name, out.String())
		}
	}
	return gate.Run(cases, lanesOf, gate.Options{}), nil
}

// accepts waits until something listens on the port; false if the process ended
// first.
func accepts(port uint16, ended <-chan struct{}) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
			return true
		}
		select {
		case <-ended:
			return false
		case <-tick.C:
		}
	}
}

func nginxConfig(dir string, all []site) string {
	var b strings.Builder
	if os.Geteuid() == 0 {
		b.WriteString("user root;\n")
	}
	fmt.Fprintf(&b, `daemon off;
master_process off;
pid %s/pid;
error_log /dev/null;
events { worker_connections 2000; }
http {
  access_log off;
  client_max_body_size 0;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
`, dir)
	for _, s := range all {
		fmt.Fprintf(&b, "  upstream %s { server %s; keepalive 64; }\n  server {\n    listen 127.0.0.1:%d;\n", s.name, s.target, s.port)
		guard, rest := "return 403;", fmt.Sprintf("proxy_pass http://%s;", s.name)
		if s.profile.Allow {
			guard, rest = rest, guard
		}
		if g := s.profile.Guard; g != "" {
			fmt.Fprintf(&b, "    location = %s { %s }\n    location %[1]s/ { %s }\n", g, guard)
		}
		fmt.Fprintf(&b, "    location / { %s }\n  }\n", rest)
	}
	b.WriteString("}\n")
	return b.String()
}

func haproxyConfig(_ string, all []site) string {
	var b strings.Builder
	b.WriteString(`global
  maxconn 2000
defaults
  mode http
  http-reuse always
  option forwardfor
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
`)
	for _, s := range all {
		fmt.Fprintf(&b, "frontend f_%s\n  bind 127.0.0.1:%d\n", s.name, s.port)
		if g := s.profile.Guard; g != "" {
			fmt.Fprintf(&b, "  acl guarded path %s\n  acl guarded path_beg %[1]s/\n", g)
			if s.profile.Allow {
				b.WriteString("  http-request deny deny_status 403 unless guarded\n")
			} else {
				b.WriteString("  http-request deny deny_status 403 if guarded\n")
			}
		}
		fmt.Fprintf(&b, "  default_backend b_%s\nbackend b_%[1]s\n  server t %s\n", s.name, s.target)
	}
	return b.String()
}

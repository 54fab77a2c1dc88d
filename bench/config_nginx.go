package main

import (
	"fmt"
	"os"
	"strings"
)

// nginxConfig gives nginx keep-alive to the target without limits, and buffers
// that take a head and 16 KiB in one read.
func nginxConfig(s site) string {
	var b strings.Builder
	if os.Geteuid() == 0 {
		b.WriteString("user root;\n") // the temporary directories are ours
	}
	fmt.Fprintf(&b, `worker_processes %d;
worker_rlimit_nofile %d;
pid %s/pid;
error_log %s error;
events {
    worker_connections %d;
    accept_mutex off;
}
http {
    client_body_temp_path %s/body;
    proxy_temp_path %s/proxy;
    fastcgi_temp_path %s/fastcgi;
    uwsgi_temp_path %s/uwsgi;
    scgi_temp_path %s/scgi;
    tcp_nodelay on;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Port $server_port;
    proxy_max_temp_file_size 0;
`, s.cores, s.files, s.dir, s.errorLog(), s.files-500, s.dir, s.dir, s.dir, s.dir, s.dir)
	switch s.setup {
	case setupMedium:
		b.WriteString("    proxy_buffer_size 32k;\n    proxy_buffers 4 32k;\n    proxy_busy_buffers_size 64k;\n")
	case setupLarge:
		// Passing each read on at once took about 0.55 of the processor time of
		// collecting buffers first, whatever their size and number.
		b.WriteString("    proxy_buffering off;\n    proxy_buffer_size 256k;\n    proxy_buffers 4 256k;\n    proxy_busy_buffers_size 512k;\n")
	}
	if s.setup.rules() {
		fmt.Fprintf(&b, "    access_log %s combined buffer=64k flush=1s;\n", s.accessLog())
	} else {
		b.WriteString("    access_log off;\n")
	}
	if s.setup == setupSticky {
		// Sticky cookies are nginx's paid product; this is what its users do
		// without.
		b.WriteString("    add_header Set-Cookie \"SRV=t1; Path=/\";\n")
	}
	group := func(name string, port int) {
		hash := ""
		if s.setup == setupSticky && name == "main" {
			hash = "hash $cookie_srv consistent;\n        "
		}
		fmt.Fprintf(&b, `    upstream %s {
        %sserver 127.0.0.1:%d;
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout 300s;
    }
`, name, hash, port)
	}
	group("main", s.main)
	if !s.setup.rules() {
		fmt.Fprintf(&b, "    server {\n        listen 127.0.0.1:%d backlog=4096;\n        location / { proxy_pass http://main; }\n    }\n}\n", s.port)
		return b.String()
	}
	group("other", s.other)
	way := func(main bool) string {
		if main {
			return "main"
		}
		return "other"
	}
	fmt.Fprintf(&b, "    server {\n        listen 127.0.0.1:%d backlog=4096 default_server;\n", s.port)
	for _, r := range ruleSpecs() {
		if r.prefix != "" {
			fmt.Fprintf(&b, "        location %s { proxy_pass http://%s; }\n", r.prefix, way(r.main))
		}
	}
	b.WriteString("        location / { proxy_pass http://other; }\n    }\n")
	for _, r := range ruleSpecs() {
		if r.host != "" {
			fmt.Fprintf(&b, "    server {\n        listen 127.0.0.1:%d;\n        server_name %s;\n        location / { proxy_pass http://%s; }\n    }\n", s.port, r.host, way(r.main))
		}
	}
	fmt.Fprintf(&b, "    server {\n        listen unix:%s/metrics.sock;\n        access_log off;\n        location / { stub_status; }\n    }\n}\n", s.dir)
	return b.String()
}

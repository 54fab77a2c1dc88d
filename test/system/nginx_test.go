package system

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// nginxOptions say what an nginx target does. It always answers /id, and serves
// files at /files/.
type nginxOptions struct {
	files string
	proxy string // address that all else is proxied to
	http  string // further directives
}

// startNginx starts an nginx target. Its restart starts it anew.
func startNginx(t testing.TB, id string, o nginxOptions) *target {
	t.Helper()
	binary := program(t, "nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx")
	dir := t.TempDir()
	run := func(listen string) *process {
		path := filepath.Join(dir, "nginx.conf")
		if err := os.WriteFile(path, []byte(nginxConfig(dir, id, listen, o)), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(binary, "-p", dir, "-c", path, "-e", "stderr")
		return spawn(t, "nginx "+id, cmd, syscall.SIGTERM)
	}
	for range 5 {
		g := &target{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t))), run: run}
		g.process = run(g.addr)
		if g.accepts(t) {
			return g
		}
	}
	t.Fatal("nginx does not come up")
	return nil
}

// accepts waits until the target takes connections; false if it ended instead.
func (g *target) accepts(t testing.TB) bool {
	t.Helper()
	up := false
	eventually(t, g.name+" accepts", func() bool {
		c, err := net.Dial("tcp", g.addr)
		if err == nil {
			up = true
			c.Close()
		}
		return up || !g.running()
	})
	return up && g.running()
}

func nginxConfig(dir, id, listen string, o nginxOptions) string {
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // or the workers cannot read the tests' directories
	}
	proxy := "return 404;"
	if o.proxy != "" {
		proxy = fmt.Sprintf("proxy_pass http://%s; proxy_http_version 1.1; proxy_set_header Connection '';", o.proxy)
	}
	return fmt.Sprintf(`%s
daemon off;
worker_processes 1;
pid %s/nginx.pid;
events { worker_connections 2000; }
http {
  access_log off;
  sendfile on;
  client_max_body_size 0;
  client_body_temp_path %[2]s/body;
  proxy_temp_path %[2]s/proxy;
  fastcgi_temp_path %[2]s/fastcgi;
  uwsgi_temp_path %[2]s/uwsgi;
  scgi_temp_path %[2]s/scgi;
  %s
  server {
    listen %s;
    location = /id { add_header X-Target %s; return 200 %[5]s; }
    location /files/ { alias %s/; }
    location / { %s }
  }
}
`, user, dir, o.http, listen, id, o.files, proxy)
}

// startPython starts Python's http.server in front of the directory: it speaks
// HTTP/1.0 and ends a response by closing.
func startPython(t testing.TB, files string) *target {
	t.Helper()
	binary := program(t, "python3")
	for range 5 {
		port := freePort(t)
		cmd := exec.Command(binary, "-m", "http.server", "--bind", "127.0.0.1", "--directory", files, strconv.Itoa(port))
		g := &target{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), process: spawn(t, "python", cmd, syscall.SIGKILL)}
		if g.accepts(t) {
			return g
		}
	}
	t.Fatal("python does not come up")
	return nil
}

package system

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// peer is a target of the matrix and what it can do.
type peer struct {
	name    string
	addr    string
	chunked bool // /chunked
	echo    bool // /echo
	lengths bool // responses to HEAD have a length
}

// peers starts one target of each kind in front of the files.
func peers(t *testing.T, dir string) []peer {
	t.Helper()
	golang := startGo(t, targetOptions{id: "go", files: dir})
	all := []peer{{"net-http", golang.addr, true, true, true}}
	add := func(name string, startTarget func(t testing.TB) *target, p peer) {
		if missing := lacks(name); missing != "" {
			t.Logf("without %s, which is not installed", missing)
			return
		}
		p.name, p.addr = name, startTarget(t).addr
		all = append(all, p)
	}
	add("nginx", func(t testing.TB) *target {
		return startNginx(t, "n", nginxOptions{files: dir, proxy: golang.addr})
	}, peer{chunked: true, echo: true, lengths: true})
	add("node", func(t testing.TB) *target { return startNode(t, targetOptions{id: "node", files: dir}) },
		peer{chunked: true, echo: true, lengths: true})
	add("python3", func(t testing.TB) *target { return startPython(t, filepath.Dir(dir)) },
		peer{lengths: true})
	return all
}

// lacks names the program if it is not there.
func lacks(name string) string {
	for _, p := range []string{name, "/usr/sbin/" + name} {
		if _, err := exec.LookPath(p); err == nil {
			return ""
		}
	}
	return name
}

// Every kind of target, every size, every method and both versions of HTTP: what
// arrives is what was sent.
func TestMatrix(t *testing.T) {
	t.Parallel()
	dir, files := makeFiles(t)
	for _, p := range peers(t, dir) {
		d := simple(t, unchecked, p.addr)
		t.Run(p.name+" net-http", func(t *testing.T) { matrixGo(t, d, p, files) })
		for _, version := range []string{"--http1.1", "--http1.0"} {
			t.Run(p.name+" curl "+version, func(t *testing.T) { matrixCurl(t, d, p, files, version) })
		}
	}
}

// matrixGo is the matrix with net/http as the client.
func matrixGo(t *testing.T, d *daemon, p peer, files []file) {
	c := &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: patience}
	defer c.CloseIdleConnections()
	url := "http://" + d.addr
	for _, f := range files {
		resp, sum, err := request(c, http.MethodGet, url+"/files/"+f.name, nil, 0)
		if err != nil || resp.StatusCode != 200 || sum != f.sum {
			t.Errorf("GET %s: %v, %v, the right body: %v", f.name, statusOf(resp), err, sum == f.sum)
		}
		resp, _, err = request(c, http.MethodHead, url+"/files/"+f.name, nil, 0)
		if err != nil || resp.StatusCode != 200 || p.lengths && resp.ContentLength != f.size {
			t.Errorf("HEAD %s: %v, %v", f.name, statusOf(resp), err)
		}
		if p.chunked {
			resp, sum, err = request(c, http.MethodGet, url+"/chunked/"+f.name, nil, 0)
			switch {
			case err != nil || resp.StatusCode != 200 || sum != f.sum:
				t.Errorf("GET %s in chunks: %v, %v, the right body: %v", f.name, statusOf(resp), err, sum == f.sum)
			case resp.ContentLength != -1:
				t.Errorf("GET %s in chunks: it has a length", f.name)
			// nginx, as a proxy of its own, drops trailers.
			case p.name != "nginx" && resp.Trailer.Get("X-Sha256") != f.sum:
				t.Errorf("GET %s in chunks: the trailers are %v", f.name, resp.Trailer)
			}
		}
		if !p.echo {
			continue
		}
		for _, length := range []int64{f.size, -1} {
			if length == 0 {
				continue // net/http takes 0 for unknown
			}
			body, err := os.Open(f.path)
			if err != nil {
				t.Fatal(err)
			}
			resp, sum, err = request(c, http.MethodPost, url+"/echo", io.NopCloser(body), length)
			body.Close()
			if err != nil || resp.StatusCode != 200 || sum != f.sum {
				t.Errorf("POST %s with length %d: %v, %v, the right body: %v", f.name, length, statusOf(resp), err, sum == f.sum)
			}
		}
	}
}

func statusOf(r *http.Response) string {
	if r == nil {
		return "no response"
	}
	return r.Status
}

// matrixCurl is the matrix with curl as the client. One curl makes all requests
// of a kind, on one connection where there is keep-alive.
func matrixCurl(t *testing.T, d *daemon, p peer, files []file, version string) {
	out := t.TempDir()
	url := "http://" + d.addr
	check := func(what string, f file, got string) {
		t.Helper()
		if sumOf(t, got) != f.sum {
			info, _ := os.Stat(got)
			t.Errorf("%s %s: another body arrived: %v", what, f.name, info)
		}
	}
	batch := func(kind string, files []file, options ...string) []string {
		args := []string{"--fail-early"}
		for i, f := range files {
			if i > 0 {
				args = append(args, "--next")
			}
			args = append(args, version, "-sSf", "-m", fmt.Sprint(patience.Seconds()), "-o", filepath.Join(out, kind+f.name))
			own := strings.NewReplacer("NAME", f.name, "PATH", f.path)
			for _, o := range options {
				args = append(args, own.Replace(o))
			}
		}
		return args
	}
	curl(t, batch("get", files, url+"/files/NAME")...)
	for _, f := range files {
		check("GET", f, filepath.Join(out, "get"+f.name))
	}
	heads := curl(t, batch("head", files, "-I", "-w", `NAME=%header{content-length} `, url+"/files/NAME")...)
	for _, f := range files {
		if want := f.name + "=" + strconv.FormatInt(f.size, 10) + " "; !strings.Contains(heads, want) {
			t.Errorf("HEAD: %q lacks %q", heads, want)
		}
	}
	// The largest file goes all other ways with net/http only.
	files = slices.DeleteFunc(slices.Clone(files), func(f file) bool { return f.size > 1<<20 })
	if p.chunked {
		curl(t, batch("chunked", files, url+"/chunked/NAME")...)
		for _, f := range files {
			check("GET in chunks", f, filepath.Join(out, "chunked"+f.name))
		}
	}
	if !p.echo {
		return
	}
	// With Expect, which curl sends for larger bodies, and without.
	curl(t, batch("put", files, "-T", "PATH", url+"/echo")...)
	curl(t, batch("post", files, "--data-binary", "@PATH", "-H", "Expect:", url+"/echo")...)
	for _, f := range files {
		check("PUT", f, filepath.Join(out, "put"+f.name))
		check("POST", f, filepath.Join(out, "post"+f.name))
	}
	if version == "--http1.1" {
		// curl 7.88 does not end an empty body in chunks.
		curl(t, batch("stream", files[1:], "-T", "PATH", "-H", "Transfer-Encoding: chunked", url+"/echo")...)
		curl(t, batch("expect", files[1:], "-T", "PATH", "-H", "Expect: 100-continue", url+"/echo")...)
		for _, f := range files[1:] {
			check("PUT in chunks", f, filepath.Join(out, "stream"+f.name))
			check("PUT with Expect", f, filepath.Join(out, "expect"+f.name))
		}
	}
}

// curl runs curl and returns its standard output.
func curl(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command(program(t, "curl"), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Errorf("%v: %v\n%s", cmd.Args, err, errs.Bytes())
	}
	return out.String()
}

package system

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// roleVariable makes this binary serve instead of testing; the others say how.
const (
	roleVariable   = "ELBOW_SYSTEM_ROLE"
	idVariable     = "ELBOW_SYSTEM_ID"
	listenVariable = "ELBOW_SYSTEM_LISTEN"
	filesVariable  = "ELBOW_SYSTEM_FILES"
	idleVariable   = "ELBOW_SYSTEM_IDLE" // ms that a connection may be idle
)

// serveRole is main of a target process.
func serveRole(role string) int {
	if role != "target" {
		fmt.Fprintln(os.Stderr, "no such role:", role)
		return 2
	}
	l, err := net.Listen("tcp", os.Getenv(listenVariable))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	idle, _ := strconv.Atoi(os.Getenv(idleVariable))
	fmt.Println("listening on", l.Addr())
	s := http.Server{
		Handler:     newGoTarget(os.Getenv(idVariable), os.Getenv(filesVariable)),
		IdleTimeout: time.Duration(idle) * time.Millisecond,
	}
	fmt.Fprintln(os.Stderr, s.Serve(l))
	return 1
}

// newGoTarget returns what a Go target answers; testdata/target.js answers the
// same.
//
//	/id            the target's id
//	/files/NAME    a file, with its length
//	/chunked/NAME  a file in chunks, its SHA-256 as trailer X-Sha256
//	/echo          the request body
//	/early         413 before the body was read
//	/hold          nothing, until somebody asks for /release
//	/held          how many requests wait in /hold
func newGoTarget(id, files string) http.Handler {
	var held atomic.Int64
	release := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/id", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Target", id)
		io.WriteString(w, id)
	})
	mux.Handle("/files/", http.StripPrefix("/files", http.FileServer(http.Dir(files))))
	mux.HandleFunc("/chunked/{name}", func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(filepath.Join(files, filepath.Base(r.PathValue("name"))))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		defer f.Close()
		w.Header().Set("Trailer", "X-Sha256")
		w.Header().Set("Content-Type", "application/octet-stream")
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
		h := sha256.New()
		io.Copy(io.MultiWriter(w, h), f)
		w.Header().Set("X-Sha256", hex.EncodeToString(h.Sum(nil)))
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	})
	mux.HandleFunc("/early", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "too large for me", http.StatusRequestEntityTooLarge)
	})
	mux.HandleFunc("/hold", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		held.Add(1)
		defer held.Add(-1)
		<-release
		w.Header().Set("X-Target", id)
		io.WriteString(w, id)
	})
	mux.HandleFunc("/held", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, held.Load()) })
	mux.HandleFunc("/release", func(w http.ResponseWriter, r *http.Request) { close(release) })
	return mux
}

// target is a target process.
type target struct {
	*process
	addr string
	run  func(listen string) *process
}

// targetOptions say how a Go or Node target is.
type targetOptions struct {
	id    string
	files string        // directory of /files and /chunked
	idle  time.Duration // how long a connection may be idle; 0 is for long
}

// startGo starts a Go target.
func startGo(t testing.TB, o targetOptions) *target {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return startTarget(t, "target "+o.id, o, self)
}

// startNode starts a Node target.
func startNode(t testing.TB, o targetOptions) *target {
	t.Helper()
	return startTarget(t, "node "+o.id, o, program(t, "node"), "testdata/target.js")
}

var listening = regexp.MustCompile(`(?m)^listening on (127\.0\.0\.1:\d+)$`)

func startTarget(t testing.TB, name string, o targetOptions, argv ...string) *target {
	t.Helper()
	run := func(listen string) *process {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(),
			roleVariable+"=target", idVariable+"="+o.id, listenVariable+"="+listen,
			filesVariable+"="+o.files, idleVariable+"="+strconv.FormatInt(o.idle.Milliseconds(), 10))
		return spawn(t, name, cmd, syscall.SIGKILL)
	}
	for range 5 {
		g := &target{addr: fmt.Sprintf("127.0.0.1:%d", freePort(t)), run: run}
		g.process = run(g.addr)
		if g.announced(t, listening) != nil {
			return g
		}
	}
	t.Fatalf("%s does not come up", name)
	return nil
}

// restart starts the target anew, on the address that it had.
func (g *target) restart(t testing.TB) {
	t.Helper()
	g.process = g.run(g.addr)
	if g.announced(t, listening) == nil {
		t.Fatalf("%s does not come up again on %s", g.name, g.addr)
	}
}

// direct asks the target itself and returns the body.
func (g *target) direct(t testing.TB, path string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.addr+path, nil)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// demoTarget is a web server that says who it is and what it was asked, and that
// can be made to fail:
//
//	POST /fail      from now on it answers everything, its health check as well, with 500
//	POST /recover   no more
type demoTarget struct {
	name, zone string
	listener   net.Listener
	http       *http.Server
	failing    atomic.Bool
}

// startDemoTarget starts a target on a free port of the loopback address.
func startDemoTarget(name, zone string) (*demoTarget, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &demoTarget{name: name, zone: zone, listener: l}
	t.http = &http.Server{Handler: t, ReadHeaderTimeout: 10 * time.Second}
	go t.http.Serve(l)
	return t, nil
}

func (t *demoTarget) close() { t.http.Close() }

func (t *demoTarget) addr() string { return t.listener.Addr().String() }

func (t *demoTarget) port() int { return t.listener.Addr().(*net.TCPAddr).Port }

func (t *demoTarget) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/fail":
		t.failing.Store(true)
		fmt.Fprintf(w, "%s fails from now on\n", t.name)
	case r.Method == http.MethodPost && r.URL.Path == "/recover":
		t.failing.Store(false)
		fmt.Fprintf(w, "%s works again\n", t.name)
	case t.failing.Load():
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, "%s in zone %s fails\n", t.name, t.zone)
	case r.URL.Path == "/healthz":
		fmt.Fprintln(w, "ok")
	default:
		t.echo(w, r)
	}
}

// echo shows the request as it came.
func (t *demoTarget) echo(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s in zone %s\n\n%s %s %s\nHost: %s\n", t.name, t.zone, r.Method, r.RequestURI, r.Proto, r.Host)
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range r.Header[name] {
			fmt.Fprintf(w, "%s: %s\n", name, value)
		}
	}
}

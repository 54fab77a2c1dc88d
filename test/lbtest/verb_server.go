package lbtest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

func (r *run) target(name string) (*target, error) {
	if t := r.targets[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("there is no server %s", name)
}

// verbServer is "server s1 VERB …".
func (r *run) verbServer(args []string, _ bool) error {
	if len(args) < 2 {
		return errors.New("server NAME VERB …")
	}
	t, err := r.target(args[0])
	if err != nil {
		return err
	}
	do, args := args[1], args[2:]
	switch do {
	case "reply", "always", "health":
		steps, err := parseReply(args)
		if err != nil {
			return err
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		switch do {
		case "reply":
			t.replies = append(t.replies, steps)
		case "always":
			t.always = steps
		default:
			t.health = steps
		}
		return nil
	case "release":
		n := 1
		if len(args) == 1 && args[0] != "all" {
			if n, err = strconv.Atoi(args[0]); err != nil {
				return err
			}
		}
		t.mu.Lock()
		t.permits += n
		t.open = t.open || len(args) == 1 && args[0] == "all"
		t.mu.Unlock()
		r.notify()
		return nil
	case "stop":
		t.stop()
		return nil
	case "start":
		return t.start()
	case "full":
		return t.full()
	case "tls":
		t.mu.Lock()
		defer t.mu.Unlock()
		t.secure, err = selfSigned()
		return err
	case "close-idle":
		return t.closeIdle(func(c *targetConn) { c.raw.Close() })
	case "half-close-idle":
		return t.closeIdle(func(c *targetConn) { c.raw.CloseWrite() })
	case "reset-idle":
		return t.closeIdle(func(c *targetConn) {
			c.raw.SetLinger(0)
			c.raw.Close()
		})
	case "send-idle":
		if len(args) != 1 {
			return errors.New("server NAME send-idle TEXT")
		}
		return t.closeIdle(func(c *targetConn) { c.raw.Write([]byte(args[0])) })
	case "same-header":
		return t.sameHeader(args)
	case "saw":
		return t.saw(args)
	case "check-saw":
		return t.checkSaw(args)
	}
	return fmt.Errorf("unknown verb server %s", do)
}

// closeIdle does something to each connection that waits for a request, of
// which there must be one.
func (t *target) closeIdle(do func(*targetConn)) error {
	return t.run.until(func() error {
		t.mu.Lock()
		defer t.mu.Unlock()
		n := 0
		for c := range t.conns {
			if c.used && c.idle {
				do(c)
				n++
			}
		}
		if n == 0 {
			return fmt.Errorf("expected an idle connection to %s, seen none", t.name)
		}
		return nil
	})
}

// saw is "server s1 saw [-n N] WHAT …": looks at the last request, or the N-th.
func (t *target) saw(args []string) error {
	n := 0
	if len(args) > 1 && args[0] == "-n" {
		var err error
		if n, err = strconv.Atoi(args[1]); err != nil {
			return err
		}
		args = args[2:]
	}
	if len(args) == 0 {
		return errors.New("server NAME saw WHAT …")
	}
	if args[0] == "requests" && len(args) == 2 {
		return check("number of requests to "+t.name, args[1], strconv.Itoa(t.count()))
	}
	if args[0] == "connections" && len(args) == 2 {
		return check("number of connections with requests to "+t.name, args[1], strconv.Itoa(t.usedConns()))
	}
	var req *request
	if err := t.run.until(func() error {
		if req = t.lastRequest(n); req == nil {
			return fmt.Errorf("expected request %d of %s, seen %d", n, t.name, t.count())
		}
		return nil
	}); err != nil {
		return err
	}
	return t.sawIn(req, args)
}

// sameHeader is "server s1 same-header M N NAME": requests M and N agree in it.
func (t *target) sameHeader(args []string) error {
	if len(args) != 3 {
		return errors.New("server NAME same-header M N HEADER")
	}
	var seen [2]string
	for i := range seen {
		n, err := strconv.Atoi(args[i])
		if err != nil {
			return err
		}
		req := t.lastRequest(n)
		if req == nil {
			return fmt.Errorf("expected request %d of %s, seen %d", n, t.name, t.count())
		}
		seen[i] = strings.Join(req.get(args[2]), "\n")
	}
	return check(args[2]+" as in request "+args[0], seen[0], seen[1])
}

// usedConns is on how many connections requests have come.
func (t *target) usedConns() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	used := map[int]bool{}
	for _, r := range t.requests {
		used[r.conn] = true
	}
	return len(used)
}

// checkSaw looks at the last health check.
func (t *target) checkSaw(args []string) error {
	if len(args) == 0 {
		return errors.New("server NAME check-saw WHAT …")
	}
	var req *request
	if err := t.run.until(func() error {
		t.mu.Lock()
		defer t.mu.Unlock()
		if len(t.checks) == 0 {
			return fmt.Errorf("expected a health check of %s, seen none", t.name)
		}
		req = t.checks[len(t.checks)-1]
		return nil
	}); err != nil {
		return err
	}
	if args[0] == "count" && len(args) == 2 {
		t.mu.Lock()
		n := len(t.checks)
		t.mu.Unlock()
		return check("number of health checks of "+t.name, args[1], strconv.Itoa(n))
	}
	return t.sawIn(req, args)
}

func (t *target) sawIn(req *request, args []string) error {
	what := args[0]
	switch what {
	case "body", "trailer", "no-trailer", "raw", "framing", "whole", "pattern", "size":
		// The body may still be on its way.
		return t.run.until(func() error {
			req.mu.Lock()
			defer req.mu.Unlock()
			if err := sawInBody(req, args); err != nil {
				return err
			}
			if !req.complete && what != "body" {
				return fmt.Errorf("expected a whole request, seen %s, then: %v", brief(req.raw), req.err)
			}
			return nil
		})
	}
	switch {
	case what == "line" && len(args) == 2:
		return check("request line", args[1], req.start)
	case what == "method" && len(args) == 2:
		return check("method", args[1], req.word(0))
	case what == "target" && len(args) == 2:
		return check("request target", args[1], req.word(1))
	case what == "header" && len(args) >= 2:
		return checkField("header", req.fields, args[1:], brief(req.text()))
	case what == "no-header" && len(args) == 2:
		return checkNoField(req.fields, args[1], brief(req.text()))
	case what == "cut" && len(args) == 1:
		return t.run.until(func() error {
			req.mu.Lock()
			defer req.mu.Unlock()
			if req.complete || req.err == nil {
				return fmt.Errorf("expected a request that ends early, seen %s", brief(req.raw))
			}
			return nil
		})
	}
	return fmt.Errorf("unknown: saw %s", strings.Join(args, " "))
}

func sawInBody(req *request, args []string) error {
	switch {
	case args[0] == "body" && len(args) == 2:
		return check("body", args[1], string(req.body))
	case args[0] == "size" && len(args) == 2:
		return check("size of the body", args[1], strconv.Itoa(len(req.body)))
	case args[0] == "pattern" && len(args) == 2:
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		if wrong := checkPattern(req.body, n); wrong != "" {
			return errors.New("the body is not the pattern: " + wrong)
		}
		return nil
	case args[0] == "trailer" && len(args) >= 2:
		return checkField("trailer", req.trailers, args[1:], brief(req.raw))
	case args[0] == "no-trailer" && len(args) == 2:
		return checkNoField(req.trailers, args[1], brief(req.raw))
	case args[0] == "raw" && len(args) == 2:
		return check("request", args[1], string(req.raw))
	case args[0] == "framing" && len(args) == 2:
		return check("framing of the body", args[1], req.framing)
	case args[0] == "whole":
		return nil
	}
	return fmt.Errorf("unknown: saw %s", strings.Join(args, " "))
}

// checkField checks the values of a field: without want that it is there, with
// one or several that it occurs so often, in that order.
func checkField(kind string, fields []field, args []string, all string) error {
	name, want := args[0], args[1:]
	seen := values(fields, name)
	if len(want) == 0 {
		if len(seen) == 0 {
			return fmt.Errorf("expected %s %s\nseen %s", kind, name, all)
		}
		return nil
	}
	if len(seen) != len(want) {
		return fmt.Errorf("expected %s %s %q\nseen %q in %s", kind, name, want, seen, all)
	}
	for i := range want {
		if err := check(kind+" "+name, want[i], seen[i]); err != nil {
			return err
		}
	}
	return nil
}

func checkNoField(fields []field, name, all string) error {
	if seen := values(fields, name); len(seen) > 0 {
		return fmt.Errorf("expected no %s\nseen %q in %s", name, seen, all)
	}
	return nil
}

// verbWait is "wait s1 request [N]", "wait s1 open N", "wait s1 checks N",
// "wait s1 blocked", "wait c1 taken", "wait health web s1 STATE …".
func (r *run) verbWait(args []string, background bool) error {
	if len(args) < 2 {
		return errors.New("wait SERVER request|open|checks|blocked [N], wait CLIENT taken, wait health GROUP SERVER STATE")
	}
	if args[0] == "health" {
		return r.verbHealth(args[1:], background)
	}
	if c := r.clients[args[0]]; c != nil && args[1] == "taken" {
		return c.taken()
	}
	t, err := r.target(args[0])
	if err != nil {
		return err
	}
	n := 1
	if len(args) == 3 {
		if n, err = strconv.Atoi(args[2]); err != nil {
			return err
		}
	}
	switch args[1] {
	case "request":
		t.mu.Lock()
		t.waited += n
		want := t.waited
		t.mu.Unlock()
		return r.until(func() error {
			if got := t.count(); got < want {
				return fmt.Errorf("expected request %d of %s, seen %d", want, t.name, got)
			}
			return nil
		})
	case "open":
		return r.until(func() error {
			if got := t.openConns(); got != n {
				return fmt.Errorf("expected %d open connections with requests to %s, seen %d", n, t.name, got)
			}
			return nil
		})
	case "blocked":
		return t.blocked()
	case "checks":
		return r.until(func() error {
			t.mu.Lock()
			got := len(t.checks)
			t.mu.Unlock()
			if got < n {
				return fmt.Errorf("expected %d health checks of %s, seen %d", n, t.name, got)
			}
			return nil
		})
	}
	return fmt.Errorf("unknown: wait %s %s", args[0], args[1])
}

package lbtest

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// verbExpect is "expect c1 WHAT …": waits for the client's last command and
// looks at its responses. What is said of the response holds for all of them,
// where there are several.
func (r *run) verbExpect(args []string, _ bool) error {
	if len(args) < 2 {
		return errors.New("expect CLIENT WHAT …")
	}
	c := r.clients[args[0]]
	if c == nil {
		return fmt.Errorf("there is no client %s", args[0])
	}
	what, args := args[1], args[2:]
	if what == "interim" || what == "begins" {
		return r.until(func() error { return c.early(what, args) })
	}
	if err := c.await(); err != nil {
		return err
	}
	c.mu.Lock()
	c.seen = true
	responses, failed := c.responses, c.err
	c.mu.Unlock()
	switch what {
	case "closed":
		if failed != nil && !errors.Is(failed, errClosed) {
			return fmt.Errorf("expected the connection to be closed, seen: %w", failed)
		}
		return c.wasClosed()
	case "no-response":
		if len(responses) > 0 || !errors.Is(failed, errClosed) {
			return fmt.Errorf("expected the connection to be closed without a response, seen %d responses, %w", len(responses), failed)
		}
		return nil
	case "reset":
		if !errors.Is(failed, syscall.ECONNRESET) {
			return fmt.Errorf("expected the connection to be reset, seen %d responses, %w", len(responses), failed)
		}
		return nil
	case "gone":
		if failed == nil {
			return c.wasClosed()
		}
		return nil
	case "cut":
		if len(responses) == 0 || responses[len(responses)-1].isComplete() ||
			!errors.Is(failed, io.ErrUnexpectedEOF) && !errors.Is(failed, syscall.ECONNRESET) {
			return fmt.Errorf("expected a response that is cut, seen %d responses, %w", len(responses), failed)
		}
		if len(args) == 0 {
			return nil
		}
		return check("body so far", args[0], string(responses[len(responses)-1].body))
	case "connections":
		if len(args) != 1 {
			return errors.New("expect CLIENT connections N")
		}
		return check("number of connections", args[0], strconv.Itoa(c.dialled))
	case "responses":
		if len(args) != 1 {
			return errors.New("expect CLIENT responses N")
		}
		return check("number of responses", args[0], strconv.Itoa(len(responses)))
	case "served":
		if failed != nil {
			return failed
		}
		return checkServed(responses, args)
	case "one-server":
		if failed != nil {
			return failed
		}
		for _, m := range responses {
			if servedBy(m) != servedBy(responses[0]) {
				return fmt.Errorf("expected one server to answer client %s\nseen %s and %s", c.name, servedBy(responses[0]), servedBy(m))
			}
		}
		return nil
	case "statuses", "served-order":
		if failed != nil {
			return failed
		}
		var seen []string
		for _, m := range responses {
			if what == "statuses" {
				seen = append(seen, m.word(1))
			} else {
				seen = append(seen, servedBy(m))
			}
		}
		return check(what, strings.Join(args, " "), strings.Join(seen, " "))
	}
	if failed != nil {
		return failed
	}
	if len(responses) == 0 {
		return fmt.Errorf("client %s has no response", c.name)
	}
	for _, m := range responses {
		if err := checkResponse(m, what, args); err != nil {
			return fmt.Errorf("%w\nin %s", err, brief(m.raw))
		}
	}
	return nil
}

// early looks at what has come so far, while the command may still be under
// way.
func (c *client) early(what string, args []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = true
	switch {
	case what == "interim":
		var seen []string
		for _, m := range c.interim {
			seen = append(seen, m.word(1))
		}
		if len(args) > 1 && len(c.interim) > 0 { // status, then header
			last := c.interim[len(c.interim)-1]
			if err := checkField("header", last.fields, args[1:], brief(last.text())); err != nil {
				return err
			}
			args = args[:1]
		}
		return check("interim responses", strings.Join(args, " "), strings.Join(seen, " "))
	case len(c.responses) == 0:
		return fmt.Errorf("expected a response that begins, seen none (%v)", c.err)
	case len(args) == 1:
		m := c.responses[len(c.responses)-1]
		m.mu.Lock()
		defer m.mu.Unlock()
		return check("body so far", args[0], string(m.body))
	}
	return nil
}

func servedBy(m *message) string { return strings.Join(m.get("Served-By"), ",") }

func checkServed(responses []*message, args []string) error {
	count := map[string]int{}
	for _, m := range responses {
		count[servedBy(m)]++
	}
	left := maps.Clone(count)
	for _, a := range args {
		name, want, ok := strings.Cut(a, "=")
		if !ok {
			return errors.New("expect CLIENT served NAME=N …")
		}
		if err := check("requests served by "+name, want, strconv.Itoa(count[name])); err != nil {
			return fmt.Errorf("%w, of %v", err, count)
		}
		delete(left, name)
	}
	if len(left) > 0 {
		return fmt.Errorf("served by others, too: %v", slices.Collect(maps.Keys(left)))
	}
	return nil
}

func checkResponse(m *message, what string, args []string) error {
	one := func() (string, error) {
		if len(args) != 1 {
			return "", fmt.Errorf("expect CLIENT %s needs one value", what)
		}
		return args[0], nil
	}
	switch what {
	case "header", "trailer":
		fields := m.fields
		if what == "trailer" {
			fields = m.trailers
		}
		if len(args) == 0 {
			return fmt.Errorf("expect CLIENT %s NAME [VALUE …]", what)
		}
		return checkField(what, fields, args, "this")
	}
	want, err := one()
	if err != nil {
		return err
	}
	switch what {
	case "status":
		return check("status", want, m.word(1))
	case "line":
		return check("status line", want, m.start)
	case "version":
		return check("version", want, m.word(0))
	case "no-header":
		return checkNoField(m.fields, want, "this")
	case "no-trailer":
		return checkNoField(m.trailers, want, "this")
	case "body":
		return check("body", want, string(m.body))
	case "size":
		return check("size of the body", want, strconv.Itoa(len(m.body)))
	case "framing":
		return check("framing", want, m.framing)
	case "raw":
		return check("response", want, string(m.raw))
	case "served-by":
		return check("served by", want, servedBy(m))
	case "pattern":
		n, err := strconv.Atoi(want)
		if err != nil {
			return err
		}
		if wrong := checkPattern(m.body, n); wrong != "" {
			return errors.New("the body is not the pattern: " + wrong)
		}
		return nil
	}
	return fmt.Errorf("unknown: expect %s", what)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// check proves that a contestant does the work it is measured at: right status
// and length for each size, the X-Forwarded headers at the target, and in
// setupRules each kind of rule leading where it should.
func (r *running) check(ctx context.Context) error {
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	base := "http://127.0.0.1:" + strconv.Itoa(r.site.port)
	get := func(path, host string) (body, face string, err error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err != nil {
			return "", "", err
		}
		req.Host = host
		resp, err := client.Do(req)
		if err != nil {
			return "", "", err
		}
		defer resp.Body.Close()
		r.cookies = cookiesOf(resp)
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return "", "", fmt.Errorf("GET %s: %w", path, err)
		}
		if resp.StatusCode != http.StatusOK {
			return "", "", fmt.Errorf("GET %s: status %d, want 200", path, resp.StatusCode)
		}
		return string(text), resp.Header.Get("X-Face"), nil
	}
	place := func(path string) string {
		if r.site.setup.rules() {
			return underRule(path)
		}
		return path
	}

	for _, size := range []int{1, 128, 16 << 10, 1 << 20} {
		body, face, err := get(place("/"+strconv.Itoa(size)), "")
		if err != nil {
			return err
		}
		if len(body) != size {
			return fmt.Errorf("a body of %d bytes, want %d", len(body), size)
		}
		if face != "" {
			return fmt.Errorf("body size %d came from the target's %s face", size, face)
		}
	}
	if r.site.setup == setupSticky && r.cookies == "" {
		return errors.New("no cookie was set")
	}
	sticky := r.cookies
	defer func() { r.cookies = sticky }()
	head, _, err := get(place("/echo-head"), "")
	if err != nil {
		return err
	}
	if err := checkForwarded(head, r.site.port); err != nil {
		return err
	}
	if !r.site.setup.rules() {
		return nil
	}
	for _, rule := range ruleSpecs() {
		want := "other"
		if rule.main {
			want = ""
		}
		path := "/1"
		if rule.prefix != "" {
			path = rule.prefix + "1"
		}
		_, face, err := get(path, rule.host)
		if err != nil {
			return fmt.Errorf("rule %d: %w", rule.number, err)
		}
		if face != want {
			return fmt.Errorf("rule %d led to face %q, want %q", rule.number, face, want)
		}
	}
	_, face, err := get("/1", "")
	if err == nil && face != "other" {
		err = fmt.Errorf("a request that no rule matches led to face %q", face)
	}
	return err
}

// cookiesOf is the Cookie field of a client that was given resp.
func cookiesOf(resp *http.Response) string {
	var pairs []string
	for _, c := range resp.Cookies() {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// checkForwarded looks at a request head as the target got it.
func checkForwarded(head string, port int) error {
	want := map[string]string{
		"x-forwarded-for":   "127.0.0.1",
		"x-forwarded-proto": "http",
		"x-forwarded-port":  strconv.Itoa(port),
	}
	for _, l := range strings.Split(head, "\r\n") {
		name, value, _ := strings.Cut(l, ":")
		name = strings.ToLower(name)
		if w, ok := want[name]; ok {
			if v := strings.TrimSpace(value); v != w {
				return fmt.Errorf("the target got %s: %q, want %q", name, v, w)
			}
			delete(want, name)
		}
	}
	for name := range want {
		return fmt.Errorf("the target got no %s", name)
	}
	return nil
}

package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"

	"github.com/elbow-lb/elbow/internal/control"
)

// Client asks a daemon over its unix socket.
type Client struct {
	paths []string
	http  *http.Client
}

// NewClient returns a Client of the daemon whose socket is the first of paths
// that one answers at.
func NewClient(paths ...string) *Client {
	c := &Client{paths: paths}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		DisableKeepAlives: true,
	}}
	return c
}

// Unreachable is the error of a Client that no daemon answers.
type Unreachable struct {
	Errs []error // by path
}

// Error says at which paths nothing answers, and why.
func (u *Unreachable) Error() string {
	var b strings.Builder
	b.WriteString("no daemon answers:")
	for _, err := range u.Errs {
		b.WriteString("\n  ")
		b.WriteString(err.Error())
		if errors.Is(err, fs.ErrPermission) {
			b.WriteString(" (only its user and group may connect)")
		}
	}
	return b.String()
}

func (u *Unreachable) Unwrap() []error { return u.Errs }

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	var u Unreachable
	for _, path := range c.paths {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err == nil {
			return conn, nil
		}
		u.Errs = append(u.Errs, err)
	}
	return nil, &u
}

// Status returns the daemon's status as it sent it and decoded.
func (c *Client) Status(ctx context.Context) (control.Status, []byte, error) {
	var s control.Status
	raw, err := c.do(ctx, http.MethodGet, "/status", &s)
	return s, raw, err
}

// Ready returns whether the daemon should be sent traffic.
func (c *Client) Ready(ctx context.Context) (Readiness, error) {
	var r Readiness
	_, err := c.do(ctx, http.MethodGet, "/readyz", &r)
	return r, err
}

// Reload has the daemon read its configuration and waits until it is in force.
// When it is rejected the error is a *Failure.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	var r Reloaded
	_, err := c.do(ctx, http.MethodPost, "/reload", &r)
	return r, err
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 256 << 20

// do sends a request without a body; see send.
func (c *Client) do(ctx context.Context, method, path string, v any) ([]byte, error) {
	return c.send(ctx, method, path, nil, v)
}

// send sends a request, with content as its body unless that is nil, and decodes the
// answer into v. The error is a *Failure, an *Unreachable, ctx's, or one of
// transport.
func (c *Client) send(ctx context.Context, method, path string, content io.Reader, v any) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://elbow"+path, content)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var u *Unreachable
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &u):
			return nil, u
		}
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	var f Failure
	if resp.StatusCode >= 300 && json.Unmarshal(got, &f) == nil && f.Message != "" {
		return got, &f
	}
	if err := json.Unmarshal(got, v); err != nil {
		return got, fmt.Errorf("%s %s: answered %s, which is not JSON: is this the admin socket of elbow? %w", method, path, resp.Status, err)
	}
	return got, nil
}

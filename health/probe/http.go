package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
)

const (
	// userAgent is what ELB's checkers call themselves; targets' access logs
	// are filtered by it.
	userAgent = "ELB-HealthChecker/2.0"

	// maxHead bounds what is read of a target before the end of its response
	// head, interim responses included.
	maxHead = 32 << 10

	// maxInterim is how many 1xx responses may come before the response.
	maxInterim = 8

	// drainBytes and drainTime bound how much of a body is read, and for how
	// long. The body means nothing to a check, but closing a connection with
	// bytes unread resets it, which targets then log as an error.
	drainBytes = 16 << 10
	drainTime  = 100 * time.Millisecond
)

var (
	errHeadTooLong    = fmt.Errorf("response head longer than %d bytes", maxHead)
	errManyInterim    = fmt.Errorf("more than %d interim responses", maxInterim)
	errNoResponse     = errors.New("connection closed before a response")
	errHeadIncomplete = errors.New("connection closed within the response head")
	errNotHTTP1       = errors.New("malformed HTTP response: not HTTP/1, or no status")
)

// httpProber passes when the target answers a GET with a status that the
// matcher knows.
type httpProber struct {
	tcpProber
	request []byte
	matcher config.Matcher
	tls     *tls.Config // nil for HTTP
}

func newHTTPProber(t tcpProber, check config.HealthCheck, host string) *httpProber {
	if host == "" {
		host = t.addr
	}
	path := check.Path
	if path == "" {
		path = "/"
	}
	p := &httpProber{
		tcpProber: t,
		request: fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nUser-Agent: %s\r\n\r\n",
			path, host, userAgent),
		matcher: check.Matcher,
	}
	if check.Protocol == config.HTTPS {
		p.tls = tlsConfig(serverName(host))
	}
	return p
}

// serverName is the name to ask a target for by SNI: host without its port,
// none where that is an address (RFC 6066 section 3), which is crypto/tls's
// own rule.
func serverName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// Probe implements Prober.
func (p *httpProber) Probe(ctx context.Context) health.Result {
	start := time.Now()
	conn, stop, err := p.open(ctx)
	if err != nil && p.widen(ctx, err) {
		conn, stop, err = p.open(ctx)
	}
	if err != nil {
		return failure(ctx, err, start)
	}
	defer conn.Close()
	defer stop()
	if _, err := conn.Write(p.request); err != nil {
		return failure(ctx, err, start)
	}
	r := readers.Get().(*headReader)
	defer r.release()
	r.reset(conn)
	res, err := r.readResponse()
	if err != nil {
		return failure(ctx, err, start)
	}
	result := health.Result{
		OK:         p.matcher.Match(res.StatusCode),
		StatusCode: res.StatusCode,
		Latency:    time.Since(start),
	}
	if !result.OK {
		result.Reason = health.TargetResponseCodeMismatch
	}
	if stop() { // else the deadline that is set must stay
		conn.SetReadDeadline(time.Now().Add(drainTime))
		io.CopyN(io.Discard, res.Body, drainBytes)
	}
	return result
}

// open connects, with TLS if the check asks for it. Whatever blocks on the
// connection returns once ctx is done, unless stop was called before.
func (p *httpProber) open(ctx context.Context) (conn net.Conn, stop func() bool, err error) {
	raw, err := p.dial(ctx, "tcp", p.addr)
	if err != nil {
		return nil, nil, err
	}
	stop = context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	if p.tls == nil {
		return raw, stop, nil
	}
	secure := tls.Client(raw, p.tls)
	if err := secure.Handshake(); err != nil {
		stop()
		raw.Close()
		return nil, nil, err
	}
	return secure, stop, nil
}

// headReader reads a response head of at most maxHead bytes.
type headReader struct {
	limit io.LimitedReader
	buf   *bufio.Reader
}

var readers = sync.Pool{New: func() any {
	r := &headReader{}
	r.buf = bufio.NewReaderSize(&r.limit, 2<<10)
	return r
}}

func (r *headReader) reset(src io.Reader) {
	r.limit = io.LimitedReader{R: src, N: maxHead}
	r.buf.Reset(&r.limit)
}

func (r *headReader) release() {
	r.reset(nil)
	readers.Put(r)
}

// readResponse reads up to the end of the head of the final response. Its
// body, which is not read yet, ends at maxHead plus drainBytes at the latest.
func (r *headReader) readResponse() (*http.Response, error) {
	for range maxInterim + 1 {
		res, err := http.ReadResponse(r.buf, nil)
		switch {
		case err == nil:
		case r.limit.N <= 0 && r.buf.Buffered() == 0:
			return nil, errHeadTooLong
		case errors.Is(err, io.ErrUnexpectedEOF) && r.limit.N == maxHead:
			return nil, errNoResponse
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, errHeadIncomplete
		default:
			return nil, err
		}
		if res.ProtoMajor != 1 || res.StatusCode < 100 { // which ReadResponse lets pass
			return nil, errNotHTTP1
		}
		if res.StatusCode/100 != 1 || res.StatusCode == http.StatusSwitchingProtocols {
			r.limit.N += drainBytes
			return res, nil
		}
	}
	return nil, errManyInterim
}

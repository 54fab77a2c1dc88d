package probe

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/health"
)

// never is a timeout for checks that must not need one.
const never = time.Minute

func httpCheck() config.HealthCheck {
	return config.HealthCheck{
		Enabled: true, Protocol: config.HTTP, Path: "/healthz",
		Interval: 30 * time.Second, Timeout: never,
		HealthyThreshold: 5, UnhealthyThreshold: 2,
		Matcher: config.Matcher{Ranges: []config.StatusRange{{Low: 200, High: 299}}},
	}
}

func tcpCheck() config.HealthCheck {
	c := httpCheck()
	c.Protocol = config.TCP
	return c
}

// target listens on loopback and gives each connection to serve, which closes
// it by returning. All of its goroutines have ended when the test has.
func target(t testing.TB, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			wg.Go(func() {
				serve(conn)
				conn.Close()
				mu.Lock()
				delete(open, conn)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return netip.MustParseAddrPort(l.Addr().String())
}

// answer reads a request and writes parts, each in a segment of its own.
func answer(parts ...string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		for _, p := range parts {
			if _, err := io.WriteString(conn, p); err != nil {
				return
			}
		}
	}
}

// answerWith reads a request and answers with the status that it is told.
func answerWith(status func() string) func(net.Conn) {
	return func(conn net.Conn) {
		answer("HTTP/1.1 " + status() + "\r\nContent-Length: 0\r\n\r\n")(conn)
	}
}

// hold keeps the connection until the other side closes it.
func hold(conn net.Conn) { io.Copy(io.Discard, conn) }

func probeOnce(t *testing.T, p Prober, timeout time.Duration) health.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	r := p.Probe(ctx)
	if r.OK != (r.Reason == health.ReasonNone) {
		t.Errorf("OK = %v with reason %v", r.OK, r.Reason)
	}
	if len(r.Detail) > maxDetail {
		t.Errorf("detail has %d bytes, want at most %d", len(r.Detail), maxDetail)
	}
	return r
}

func TestHTTPOutcomes(t *testing.T) {
	f := func(name string, serve func(net.Conn), reason health.Reason, code int, detail string) {
		t.Helper()
		r := probeOnce(t, New(target(t, serve), httpCheck(), "", nil), never)
		if r.Reason != reason || r.StatusCode != code || !strings.Contains(r.Detail, detail) {
			t.Errorf("%s: got %v, status %d, %q; want %v, status %d, %q", name, r.Reason, r.StatusCode, r.Detail, reason, code, detail)
		}
	}
	const (
		ok       = health.ReasonNone
		mismatch = health.TargetResponseCodeMismatch
		failed   = health.TargetFailedHealthChecks
	)
	f("ok", answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), ok, 200, "")
	f("last status of the range", answer("HTTP/1.1 299 Fine\r\nContent-Length: 0\r\n\r\n"), ok, 299, "")
	f("HTTP/1.0 until close", answer("HTTP/1.0 200 OK\r\n\r\nhello"), ok, 200, "")
	f("no reason phrase", answer("HTTP/1.1 204\r\n\r\n"), ok, 204, "")
	f("a byte at a time", answer(strings.Split("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "")...), ok, 200, "")
	f("interim responses are passed over", answer("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"), ok, 200, "")
	f("not found", answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), mismatch, 404, "")
	f("redirects are not followed", answer("HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n"), mismatch, 302, "")
	f("switching protocols is an answer", answer("HTTP/1.1 101 Switching Protocols\r\n\r\n"), mismatch, 101, "")

	f("closed at once", func(net.Conn) {}, failed, 0, "")
	f("closed before an answer", answer(), failed, 0, errNoResponse.Error())
	f("closed in the status line", answer("HTTP/1.1 200 O"), failed, 0, errHeadIncomplete.Error())
	f("closed in the head", answer("HTTP/1.1 200 OK\r\nA: "), failed, 0, errHeadIncomplete.Error())
	f("garbage", answer("\x16\x03\x01\x00\xffgarbage\r\n\r\n"), failed, 0, "malformed HTTP")
	f("long garbage", answer(strings.Repeat("x", 5000)+"\r\n\r\n"), failed, 0, "malformed HTTP")
	f("bad status", answer("HTTP/1.1 2x0 OK\r\n\r\n"), failed, 0, "malformed HTTP status")
	f("status 000", answer("HTTP/1.1 000 None\r\n\r\n"), failed, 0, errNotHTTP1.Error())
	f("HTTP/0.9", answer("HTTP/0.9 200 OK\r\n\r\n"), failed, 0, errNotHTTP1.Error())
	f("bad framing", answer("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), failed, 0, "Content-Length")
	f("endless interim responses", answer(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1000)), failed, 0, errManyInterim.Error())
	f("endless line", endless("x"), failed, 0, errHeadTooLong.Error())
	f("endless headers", endless("A: b\r\n"), failed, 0, errHeadTooLong.Error())
	f("endless body", endless("\r\nxxxxxxxxxxxxxxxxx"), ok, 200, "")
}

// endless answers 200 and then repeats s for as long as it is let.
func endless(s string) func(net.Conn) {
	return func(conn net.Conn) {
		answer("HTTP/1.1 200 OK\r\n")(conn)
		block := []byte(strings.Repeat(s, 4096/len(s)+1))
		for {
			if _, err := conn.Write(block); err != nil {
				return
			}
		}
	}
}

// The request is ELB's: guide, "Health checks for your target groups".
func TestHTTPRequest(t *testing.T) {
	f := func(name, path, host, wantPath, wantHost string) {
		t.Helper()
		got := make(chan *http.Request, 1)
		addr := target(t, func(conn net.Conn) {
			r, err := http.ReadRequest(bufio.NewReader(conn))
			if err != nil {
				t.Error(err)
				return
			}
			got <- r
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})
		if wantHost == "" {
			wantHost = addr.String()
		}
		check := httpCheck()
		check.Path = path
		if r := probeOnce(t, New(addr, check, host, nil), never); !r.OK {
			t.Fatalf("%s: %v %s", name, r.Reason, r.Detail)
		}
		r := <-got
		if r.Method != "GET" || r.RequestURI != wantPath || r.Host != wantHost || !r.Close ||
			r.UserAgent() != "ELB-HealthChecker/2.0" || r.ProtoMinor != 1 {
			t.Errorf("%s: got %s %s %s, Host %q, close %v, User-Agent %q", name, r.Method, r.RequestURI, r.Proto, r.Host, r.Close, r.UserAgent())
		}
	}
	f("path", "/healthz?full=1", "", "/healthz?full=1", "")
	f("default path", "", "", "/", "")
	f("host", "/", "app.example.com", "/", "app.example.com")
}

// A target whose body is longer than what is read with the head sees an
// orderly close, not a reset.
func TestHTTPBodyIsDrained(t *testing.T) {
	seen := make(chan error, 1)
	addr := target(t, func(conn net.Conn) {
		answer("HTTP/1.1 200 OK\r\nContent-Length: 8192\r\n\r\n", strings.Repeat("x", 8192))(conn)
		_, err := conn.Read(make([]byte, 1))
		seen <- err
	})
	if r := probeOnce(t, New(addr, httpCheck(), "", nil), never); !r.OK {
		t.Fatalf("%v %s", r.Reason, r.Detail)
	}
	if err := <-seen; err != io.EOF {
		t.Errorf("the target saw %v, want EOF", err)
	}
}

func TestTimeouts(t *testing.T) {
	const short = 50 * time.Millisecond
	dribble := func(conn net.Conn) {
		answer("HTTP/1.1 200 OK\r\n")(conn)
		for { // each byte comes well before the timeout, the end never
			if _, err := io.WriteString(conn, "A"); err != nil {
				return
			}
			time.Sleep(short / 10) // the target is slow: this is its behaviour, nothing waits for it
		}
	}
	f := func(name string, p Prober) {
		t.Helper()
		if r := probeOnce(t, p, short); r.Reason != health.TargetTimeout {
			t.Errorf("%s: got %v %q, want %v", name, r.Reason, r.Detail, health.TargetTimeout)
		}
	}
	https := httpCheck()
	https.Protocol = config.HTTPS
	stuck := func(ctx context.Context, network, address string) (net.Conn, error) {
		<-ctx.Done()
		return nil, fmt.Errorf("dial: %w", os.ErrDeadlineExceeded)
	}
	nowhere := netip.MustParseAddrPort("192.0.2.1:80")
	f("never answers", New(target(t, hold), httpCheck(), "", nil))
	f("dribbles", New(target(t, dribble), httpCheck(), "", nil))
	f("no TLS handshake", New(target(t, hold), https, "", nil))
	f("TCP: never connects", New(nowhere, tcpCheck(), "", stuck))
	f("HTTP: never connects", New(nowhere, httpCheck(), "", stuck))
}

func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(l.Addr().String())
	l.Close()
	for _, check := range []config.HealthCheck{httpCheck(), tcpCheck()} {
		r := probeOnce(t, New(addr, check, "", nil), never)
		if r.Reason != health.TargetFailedHealthChecks || !strings.Contains(r.Detail, "refused") {
			t.Errorf("protocol %d: got %v %q, want %v", check.Protocol, r.Reason, r.Detail, health.TargetFailedHealthChecks)
		}
	}
}

func TestTCP(t *testing.T) {
	if r := probeOnce(t, New(target(t, hold), tcpCheck(), "", nil), never); !r.OK {
		t.Errorf("accepting target: %v %s", r.Reason, r.Detail)
	}
}

func TestHTTPS(t *testing.T) {
	names := make(chan string, 4)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		names <- r.TLS.ServerName
		if r.URL.Path != "/healthz" {
			w.WriteHeader(404)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS() // with a certificate that nobody trusts
	defer s.Close()
	addr := netip.MustParseAddrPort(s.Listener.Addr().String())

	check := httpCheck()
	check.Protocol = config.HTTPS
	if r := probeOnce(t, New(addr, check, "", nil), never); !r.OK {
		t.Errorf("self-signed: %v %s", r.Reason, r.Detail)
	}
	if name := <-names; name != "" {
		t.Errorf("SNI for an address: got %q, want none", name)
	}
	if r := probeOnce(t, New(addr, check, "app.example.com:8443", nil), never); !r.OK {
		t.Errorf("with host: %v %s", r.Reason, r.Detail)
	}
	if name := <-names; name != "app.example.com" {
		t.Errorf("SNI: got %q, want app.example.com", name)
	}
	check.Path = "/other"
	if r := probeOnce(t, New(addr, check, "", nil), never); r.Reason != health.TargetResponseCodeMismatch || r.StatusCode != 404 {
		t.Errorf("wrong path: got %v %d, want a mismatch with 404", r.Reason, r.StatusCode)
	}
	if r := probeOnce(t, New(target(t, speakPlain), check, "", nil), never); r.Reason != health.TargetFailedHealthChecks || !strings.Contains(r.Detail, "tls") {
		t.Errorf("plain target: got %v %q, want a TLS failure", r.Reason, r.Detail)
	}
}

// What targets speak that crypto/tls would not by itself, or that is not offered
// at first; and no session is resumed.
func TestHTTPSTargets(t *testing.T) {
	check := httpCheck()
	check.Protocol = config.HTTPS
	f := func(name string, change func(*tls.Config), handshakes int) {
		t.Helper()
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.TLS.DidResume {
				t.Errorf("%s: a session was resumed", name)
			}
		}))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		var made atomic.Int32
		s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { made.Add(1); return nil, nil }}
		change(s.TLS)
		s.StartTLS()
		defer s.Close()
		p := New(netip.MustParseAddrPort(s.Listener.Addr().String()), check, "", nil)
		for range 3 {
			if r := probeOnce(t, p, never); !r.OK {
				t.Errorf("%s: %v %s", name, r.Reason, r.Detail)
			}
		}
		if n := int(made.Load()); n != handshakes {
			t.Errorf("%s: %d handshakes for three checks, want %d", name, n, handshakes)
		}
	}
	f("TLS 1.3", func(*tls.Config) {}, 3)
	f("TLS 1.2", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, 3)
	f("TLS 1.0 without ECDHE", func(c *tls.Config) {
		c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
		c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	}, 3)
	f("TLS 1.2 without ECDHE", func(c *tls.Config) {
		c.MaxVersion = tls.VersionTLS12
		c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_256_GCM_SHA384}
	}, 3)
	f("a group of its own", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP384} }, 3)
	f("hybrid groups only", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768} }, 4)
	f("a hybrid group of its own", func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.SecP384r1MLKEM1024} }, 4)
}

// A target that refuses every handshake is not asked twice by each check.
func TestHTTPSRefused(t *testing.T) {
	var asked atomic.Int32
	check := httpCheck()
	check.Protocol = config.HTTPS
	p := New(target(t, func(conn net.Conn) {
		asked.Add(1)
		conn.Read(make([]byte, 4<<10))
		conn.Write([]byte{21, 3, 3, 0, 2, 2, 40}) // alert: fatal, handshake_failure
	}), check, "", nil)
	for range 3 {
		if r := probeOnce(t, p, never); r.Reason != health.TargetFailedHealthChecks || !strings.Contains(r.Detail, "handshake failure") {
			t.Errorf("got %v %q", r.Reason, r.Detail)
		}
	}
	if n := asked.Load(); n != 4 {
		t.Errorf("three checks made %d connections, want 4", n)
	}
}

// speakPlain answers whatever comes first in plain text.
func speakPlain(conn net.Conn) {
	conn.Read(make([]byte, 1))
	io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
	hold(conn)
}

func TestReasons(t *testing.T) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	f := func(ctx context.Context, err error, want health.Reason) {
		t.Helper()
		if got := reasonOf(ctx, err); got != want {
			t.Errorf("%v: got %v, want %v", err, got, want)
		}
	}
	dial := func(e syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", e)}
	}
	bg := context.Background()
	f(bg, dial(syscall.ECONNREFUSED), health.TargetFailedHealthChecks)
	f(bg, dial(syscall.ECONNRESET), health.TargetFailedHealthChecks)
	f(bg, dial(syscall.EHOSTUNREACH), health.TargetFailedHealthChecks)
	f(bg, dial(syscall.ETIMEDOUT), health.TargetTimeout)
	f(bg, dial(syscall.EMFILE), health.ElbInternalError)
	f(bg, dial(syscall.EADDRNOTAVAIL), health.ElbInternalError)
	f(bg, os.ErrDeadlineExceeded, health.TargetTimeout)
	f(canceled, errors.New("cut off"), health.ElbInternalError)
}

func TestDetail(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := detail(errors.New(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	f("plain", "plain")
	f("a\r\nb\x00\x1b[31m\xffö", "a??b??[31m?ö")
	f(strings.Repeat("x", 300), strings.Repeat("x", 253)+"...")
	f(strings.Repeat("\xff", 300), strings.Repeat("?", 253)+"...")
	f(strings.Repeat("x", 252)+"öööö", strings.Repeat("x", 252)+"?...")
}

// Whatever a target sends, reading its response ends, within bounds, and the
// outcome is a status or an error.
func FuzzReadResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 Not Found\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 200\nA:b\n\n", "HTTP/9.9 999 x\r\n\r\n", "\x16\x03\x01", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		src := bytes.NewReader(in)
		r := readers.Get().(*headReader)
		defer r.release()
		r.reset(src)
		res, err := r.readResponse()
		if read := len(in) - src.Len(); read > maxHead {
			t.Errorf("read %d bytes for a head, want at most %d", read, maxHead)
		}
		if err != nil {
			if d := detail(err); len(d) > maxDetail {
				t.Errorf("detail of %d bytes", len(d))
			}
			return
		}
		if res.StatusCode < 101 || res.StatusCode > 999 {
			t.Errorf("got status %d", res.StatusCode)
		}
		io.CopyN(io.Discard, res.Body, drainBytes)
		if read := len(in) - src.Len(); read > maxHead+drainBytes {
			t.Errorf("read %d bytes in all, want at most %d", read, maxHead+drainBytes)
		}
	})
}

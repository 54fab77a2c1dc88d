package lbtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// client is a client of a script: one connection at a time, opened when it is
// needed, on which it sends what the script says and reads one response after
// the other.
type client struct {
	run  *run
	name string

	mu        sync.Mutex // guards the fields below
	conn      *clientConn
	dialled   int
	job       chan struct{} // closed when the last command is done
	stopping  bool          // ends -loop
	responses []*message    // of the last command
	interim   []*message    // 1xx before them
	cookies   []string      // "name=value", for requests with -cookies
	err       error         // of the last command
	seen      bool          // somebody expected something of the last command
	ended     bool
}

type clientConn struct {
	*net.TCPConn
	r    *bufio.Reader
	last bool // the last response said that it ends the connection; of the command's goroutine
}

// exchangeSpec is what a request command of a client says.
type exchangeSpec struct {
	method, target, version, host string
	noHost                        bool
	fields                        []string
	body                          []byte
	chunks                        [][]byte
	chunked                       bool
	trailers                      []string
	expect                        bool // 100-continue: the body waits
	repeat                        int
	loop, fresh, cookies          bool
	raw                           []byte // in place of all that
	methods                       []string
	to, addr                      string
}

func (r *run) client(name string) *client {
	c := r.clients[name]
	if c == nil {
		done := make(chan struct{})
		close(done)
		c = &client{run: r, name: name, job: done, seen: true}
		r.clients[name] = c
	}
	return c
}

// verbClient is "client c1 VERB …".
func (r *run) verbClient(args []string, background bool) error {
	if len(args) < 2 {
		return errors.New("client NAME VERB …")
	}
	c := r.client(args[0])
	do, args := args[1], args[2:]
	switch do {
	case "close", "reset", "half-close", "stop":
		return c.act(do)
	}
	if do == "send" && len(args) == 1 && c.busy() {
		return c.sendMore(args[0])
	}
	if err := c.settle(); err != nil {
		return err
	}
	switch do {
	case "connect", "send":
		return c.begin(do, args)
	}
	spec, err := parseExchange(do, args)
	if err != nil {
		return err
	}
	done := make(chan struct{})
	c.mu.Lock()
	c.job, c.responses, c.interim, c.err, c.seen, c.stopping = done, nil, nil, nil, false, false
	c.mu.Unlock()
	work := func() {
		defer close(done)
		err := c.exchange(spec)
		if err != nil {
			r.record(c.name, "%v", err)
		}
		c.mu.Lock()
		c.err = err
		c.mu.Unlock()
		r.notify()
	}
	if background {
		go work()
		return nil
	}
	work()
	return nil
}

// act is what may be done to a connection at any moment.
func (c *client) act(do string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if do == "stop" {
		c.stopping = true
		return nil
	}
	if c.conn == nil {
		return fmt.Errorf("client %s has no connection", c.name)
	}
	switch do {
	case "half-close":
		return c.conn.CloseWrite()
	case "reset":
		c.conn.SetLinger(0)
	}
	c.seen = true // that the command in the background fails now is meant
	err := c.conn.Close()
	c.conn = nil
	return err
}

// busy tells whether a command is under way in the background.
func (c *client) busy() bool {
	select {
	case <-c.idle():
		return false
	default:
		return true
	}
}

// sendMore sends on the connection that a command in the background receives on.
func (c *client) sendMore(text string) error {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return fmt.Errorf("client %s has no connection", c.name)
	}
	return c.write(conn, []byte(text))
}

// begin opens a connection, and sends something without waiting for a
// response.
func (c *client) begin(do string, args []string) error {
	spec := &exchangeSpec{}
	var text string
	for len(args) > 0 {
		switch {
		case args[0] == "-to" && len(args) > 1:
			spec.to, args = args[1], args[2:]
		case args[0] == "-addr" && len(args) > 1:
			spec.addr, args = args[1], args[2:]
		case do == "send" && len(args) == 1:
			text, args = args[0], nil
		default:
			return fmt.Errorf("unknown: client %s %s", do, strings.Join(args, " "))
		}
	}
	conn, err := c.connect(spec)
	if err != nil || do == "connect" {
		return err
	}
	return c.write(conn, []byte(text))
}

// idle is closed when no command of the client is under way.
func (c *client) idle() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.job
}

// settle waits for the last command, and returns its failure unless the script
// has looked at it.
func (c *client) settle() error {
	if err := c.await(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil && !c.seen {
		return fmt.Errorf("client %s: %w", c.name, c.err)
	}
	return nil
}

func (c *client) await() error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-c.idle():
		return nil
	case <-limit.C:
		return fmt.Errorf("client %s has no answer after %v", c.name, patience)
	}
}

// end is the end of the script.
func (c *client) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended, c.stopping = true, true
	if c.conn != nil {
		c.conn.Close()
	}
}

// parseExchange parses a request command.
func parseExchange(do string, args []string) (*exchangeSpec, error) {
	s := &exchangeSpec{method: strings.ToUpper(do), version: "HTTP/1.1", repeat: 1}
	switch do {
	case "get", "head", "post", "put", "delete", "options", "patch", "trace":
		if len(args) == 0 {
			return nil, fmt.Errorf("client NAME %s TARGET", do)
		}
		s.target, args = args[0], args[1:]
	case "request":
		if len(args) < 2 {
			return nil, errors.New("client NAME request METHOD TARGET")
		}
		s.method, s.target, args = args[0], args[1], args[2:]
	case "raw":
		if len(args) == 0 {
			return nil, errors.New("client NAME raw TEXT")
		}
		s.raw, args = []byte(args[0]), args[1:]
		method, _, _ := strings.Cut(strings.TrimLeft(string(s.raw), "\r\n"), " ")
		s.methods = []string{method}
	case "receive":
		s.raw, s.methods = []byte{}, []string{"GET"}
	default:
		return nil, fmt.Errorf("unknown verb client %s", do)
	}
	for len(args) > 0 {
		name := args[0]
		args = args[1:]
		switch name {
		case "-http1.0":
			s.version = "HTTP/1.0"
			continue
		case "-no-host":
			s.noHost = true
			continue
		case "-expect":
			s.expect = true
			continue
		case "-loop":
			s.loop = true
			continue
		case "-new":
			s.fresh = true
			continue
		case "-cookies":
			s.cookies = true
			continue
		}
		if len(args) == 0 {
			return nil, fmt.Errorf("%s needs a value", name)
		}
		value := args[0]
		args = args[1:]
		var err error
		switch name {
		case "-H":
			s.fields = append(s.fields, value)
		case "-d":
			s.body = []byte(value)
		case "-size":
			var n int
			n, err = strconv.Atoi(value)
			s.body = pattern(n)
		case "-chunk":
			s.chunked = true
			s.chunks = append(s.chunks, []byte(value))
		case "-chunk-size":
			var n int
			n, err = strconv.Atoi(value)
			s.chunked = true
			s.chunks = append(s.chunks, pattern(n))
		case "-trailer":
			s.trailers = append(s.trailers, value)
		case "-host":
			s.host = value
		case "-repeat":
			s.repeat, err = strconv.Atoi(value)
		case "-methods": // of the responses to a raw text, "GET,HEAD"
			s.methods = strings.Split(value, ",")
		case "-to":
			s.to = value
		case "-addr":
			s.addr = value
		default:
			err = fmt.Errorf("unknown option %s", name)
		}
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// bytes is the head and the body of the request.
func (s *exchangeSpec) bytes() (head, body []byte) {
	head = fmt.Appendf(nil, "%s %s %s\r\n", s.method, s.target, s.version)
	if !s.noHost {
		host := s.host
		if host == "" {
			host = "example.com"
		}
		head = fmt.Appendf(head, "Host: %s\r\n", host)
	}
	for _, f := range s.fields {
		head = append(append(head, f...), "\r\n"...)
	}
	if s.expect {
		head = append(head, "Expect: 100-continue\r\n"...)
	}
	if s.chunked {
		head = append(head, "Transfer-Encoding: chunked\r\n\r\n"...)
		return head, appendChunks(nil, s.chunks, "", s.trailers)
	}
	if s.body != nil {
		head = fmt.Appendf(head, "Content-Length: %d\r\n", len(s.body))
	}
	return append(head, "\r\n"...), s.body
}

// exchange sends what spec says and receives the responses.
func (c *client) exchange(s *exchangeSpec) error {
	if s.raw != nil {
		conn, err := c.connect(s)
		if err != nil {
			return err
		}
		if len(s.raw) > 0 {
			if err := c.write(conn, s.raw); err != nil {
				return err
			}
		}
		for _, method := range s.methods {
			if err := c.receive(conn, method); err != nil {
				return err
			}
		}
		return nil
	}
	for i := 0; i < s.repeat || s.loop; i++ {
		c.mu.Lock()
		stop := c.stopping
		c.mu.Unlock()
		if stop && s.loop && i > 0 {
			return nil
		}
		if i > 0 && s.fresh {
			c.drop()
		}
		if err := c.once(c.withCookies(s)); err != nil {
			return fmt.Errorf("request %d: %w", i+1, err)
		}
		if s.cookies {
			c.keepCookies()
		}
	}
	return nil
}

// withCookies returns s with the cookies that the client was given, if s asks
// for them.
func (c *client) withCookies(s *exchangeSpec) *exchangeSpec {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.cookies || len(c.cookies) == 0 {
		return s
	}
	with := *s
	with.fields = append(slices.Clip(s.fields), "Cookie: "+strings.Join(c.cookies, "; "))
	return &with
}

// keepCookies keeps what the last response sets: for ever, unless it sets it to
// nothing.
func (c *client) keepCookies() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, set := range c.responses[len(c.responses)-1].get("Set-Cookie") {
		pair, _, _ := strings.Cut(set, ";")
		name, value, _ := strings.Cut(pair, "=")
		c.cookies = slices.DeleteFunc(c.cookies, func(old string) bool { return strings.HasPrefix(old, name+"=") })
		if value != "" {
			c.cookies = append(c.cookies, pair)
		}
	}
}

// once sends one request and receives its response.
func (c *client) once(s *exchangeSpec) error {
	conn, err := c.connect(s)
	if err != nil {
		return err
	}
	head, body := s.bytes()
	if !s.expect {
		// What is not read yet must not keep us from sending, nor the other way
		// round: a target may answer before the body's end.
		sent := make(chan error, 1)
		go func() { sent <- c.write(conn, append(head, body...)) }()
		err := c.receive(conn, s.method)
		if err != nil {
			conn.Close()
		}
		if werr := <-sent; werr != nil && err != nil {
			return fmt.Errorf("%w; sending: %w", err, werr)
		}
		return err
	}
	if err := c.write(conn, head); err != nil {
		return err
	}
	go1xx, err := c.receiveHead(conn)
	if err != nil {
		return err
	}
	if go1xx.status() != 100 {
		return c.finishResponse(conn, go1xx, s.method)
	}
	c.keepInterim(go1xx)
	if err := c.write(conn, body); err != nil {
		return err
	}
	return c.receive(conn, s.method)
}

// connect returns the connection, opening one where there is none, or where
// the load balancer said that the last response ends it.
func (c *client) connect(s *exchangeSpec) (*clientConn, error) {
	c.mu.Lock()
	conn, ended := c.conn, c.ended
	c.mu.Unlock()
	if ended {
		return nil, errors.New("the script has ended")
	}
	if conn != nil && !conn.last {
		return conn, nil
	}
	c.drop()
	addr, port := "127.0.0.1", s.to
	if s.addr != "" {
		a, err := parseAddr(s.addr)
		if err != nil {
			return nil, err
		}
		addr = a.String()
	}
	if port == "" {
		p, err := c.run.mainPort()
		if err != nil {
			return nil, err
		}
		port = strconv.Itoa(int(p))
	}
	d := net.Dialer{Timeout: patience}
	nc, err := d.Dial("tcp", net.JoinHostPort(addr, port))
	if err != nil {
		return nil, err
	}
	conn = &clientConn{TCPConn: nc.(*net.TCPConn), r: bufio.NewReaderSize(nc, 64<<10)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		nc.Close()
		return nil, errors.New("the script has ended")
	}
	c.conn = conn
	c.dialled++
	return conn, nil
}

// mainPort is $port1.
func (r *run) mainPort() (uint16, error) {
	if p := r.ports["port1"]; p != nil {
		return p.port, nil
	}
	return 0, errors.New("no configuration has a $port1 yet; say -to PORT")
}

// drop closes the connection.
func (c *client) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

func (c *client) write(conn *clientConn, b []byte) error {
	c.run.record(c.name, "sends %s", brief(b))
	conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := conn.Write(b)
	return err
}

// receive reads 1xx responses and a final one.
func (c *client) receive(conn *clientConn, method string) error {
	for {
		m, err := c.receiveHead(conn)
		if err != nil {
			return err
		}
		if m.status() >= 200 || m.status() == 101 {
			return c.finishResponse(conn, m, method)
		}
		c.keepInterim(m)
	}
}

func (c *client) keepInterim(m *message) {
	c.run.record(c.name, "receives %s", brief(m.text()))
	c.mu.Lock()
	c.interim = append(c.interim, m)
	c.mu.Unlock()
	c.run.notify()
}

func (c *client) receiveHead(conn *clientConn) (*message, error) {
	conn.SetReadDeadline(time.Now().Add(patience))
	m := &message{}
	err := m.readHead(conn.r)
	if err == nil && !strings.HasPrefix(m.start, "HTTP/1.") {
		err = fmt.Errorf("%w: status line %q", errMalformed, m.start)
	}
	if err != nil {
		what := brief(m.text())
		c.gone(conn)
		if err == io.EOF {
			return nil, errClosed
		}
		return nil, fmt.Errorf("no response head, but %s: %w", what, err)
	}
	return m, nil
}

// errClosed: the connection was closed before a response.
var errClosed = errors.New("connection closed without a response")

// finishResponse reads the body of a response whose head is read.
func (c *client) finishResponse(conn *clientConn, m *message, method string) error {
	c.mu.Lock()
	c.responses = append(c.responses, m)
	c.mu.Unlock()
	err := m.readBody(conn.r, false, method, c.run.notify)
	c.run.record(c.name, "receives %s", brief(m.text()))
	if err != nil {
		c.gone(conn)
		return fmt.Errorf("response cut: %w", err)
	}
	if m.framing == "close" {
		c.gone(conn)
	}
	options := strings.ToLower(strings.Join(m.get("Connection"), ","))
	conn.last = strings.Contains(options, "close")
	return nil
}

// gone closes a connection that is of no more use.
func (c *client) gone(conn *clientConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn.Close()
	if c.conn == conn {
		c.conn = nil
	}
}

// wasClosed waits until the load balancer closes the connection, and says how.
func (c *client) wasClosed() error {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return nil // found closed while reading
	}
	conn.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 512)
	n, err := conn.r.Read(b)
	switch {
	case n > 0:
		return fmt.Errorf("expected the connection to be closed, seen %s", brief(b[:n]))
	case err == io.EOF:
		c.gone(conn)
		c.run.record(c.name, "sees FIN")
		return nil
	default:
		return fmt.Errorf("expected the connection to be closed, seen: %w", err)
	}
}

package lbtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// field is one header line, as it came.
type field struct{ name, value string }

// message is a request or a response, byte for byte. The reader in this file is
// a second opinion on HTTP/1 framing: it shares nothing with the product's.
type message struct {
	mu       sync.Mutex // guards what follows, while the message arrives
	start    string     // the start line
	fields   []field
	body     []byte // without framing
	trailers []field
	framing  string // none, length, chunked or close
	raw      []byte // everything, framing included
	complete bool
	err      error
}

// get returns the values of the named field, in order.
func (m *message) get(name string) []string { return values(m.fields, name) }

func values(fields []field, name string) []string {
	var out []string
	for _, f := range fields {
		if strings.EqualFold(f.name, name) {
			out = append(out, f.value)
		}
	}
	return out
}

// word returns the n-th word of the start line.
func (m *message) word(n int) string {
	parts := strings.SplitN(m.start, " ", 3)
	if n >= len(parts) {
		return ""
	}
	return parts[n]
}

// status is the status code of a response.
func (m *message) status() int {
	n, _ := strconv.Atoi(m.word(1))
	return n
}

func (m *message) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return string(m.raw)
}

func (m *message) isComplete() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.complete
}

// errMalformed marks input that is no HTTP/1 message.
var errMalformed = errors.New("malformed message")

// line reads a line that must end in CRLF, and returns it without.
func (m *message) line(r *bufio.Reader) (string, error) {
	text, err := r.ReadString('\n')
	m.mu.Lock()
	m.raw = append(m.raw, text...)
	m.mu.Unlock()
	if err != nil {
		return text, err
	}
	bare, ok := strings.CutSuffix(text, "\r\n")
	if !ok {
		return text, fmt.Errorf("%w: line without CRLF: %q", errMalformed, text)
	}
	return bare, nil
}

// readHead reads a start line and fields. io.EOF means that nothing came.
func (m *message) readHead(r *bufio.Reader) error {
	start, err := m.line(r)
	if err != nil {
		if err == io.EOF && start != "" {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	fields, err := m.readFields(r)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.start, m.fields = start, fields
	return nil
}

func (m *message) readFields(r *bufio.Reader) ([]field, error) {
	var fields []field
	for {
		line, err := m.line(r)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil || line == "" {
			return fields, err
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return fields, fmt.Errorf("%w: header line %q", errMalformed, line)
		}
		fields = append(fields, field{name, strings.Trim(value, " \t")})
	}
}

// frame decides how the body ends (RFC 9112 section 6.3).
func (m *message) frame(request bool, method string) (length int64, err error) {
	te, cl := m.get("Transfer-Encoding"), m.get("Content-Length")
	status := m.status()
	m.framing = "none"
	switch {
	case len(te) > 0 && len(cl) > 0:
		return 0, fmt.Errorf("%w: Transfer-Encoding and Content-Length", errMalformed)
	case len(te) > 1 || len(cl) > 1:
		return 0, fmt.Errorf("%w: framing given twice", errMalformed)
	case !request && (method == "HEAD" || status < 200 || status == 204 || status == 304):
		return 0, nil
	case len(te) == 1:
		if !strings.EqualFold(te[0], "chunked") {
			return 0, fmt.Errorf("%w: Transfer-Encoding: %s", errMalformed, te[0])
		}
		m.framing = "chunked"
	case len(cl) == 1:
		n, err := strconv.ParseUint(cl[0], 10, 63) // which takes no sign
		if err != nil {
			return 0, fmt.Errorf("%w: Content-Length: %s", errMalformed, cl[0])
		}
		length = int64(n)
		m.framing = "length"
	case !request:
		m.framing = "close"
	}
	return length, nil
}

// readBody reads the body to its end; progress is called after every piece.
func (m *message) readBody(r *bufio.Reader, request bool, method string, progress func()) (err error) {
	defer func() {
		m.mu.Lock()
		m.complete, m.err = err == nil, err
		m.mu.Unlock()
		progress()
	}()
	m.mu.Lock()
	length, err := m.frame(request, method)
	m.mu.Unlock()
	if err != nil {
		return err
	}
	switch m.framing {
	case "length":
		return m.copyBody(r, length, progress)
	case "close":
		err := m.copyBody(r, 1<<62, progress)
		if err == io.ErrUnexpectedEOF {
			return nil
		}
		return err
	case "chunked":
		return m.readChunks(r, progress)
	}
	return nil
}

func (m *message) copyBody(r *bufio.Reader, n int64, progress func()) error {
	buf := make([]byte, 64<<10)
	for n > 0 {
		k, err := r.Read(buf[:min(n, int64(len(buf)))])
		m.mu.Lock()
		m.body = append(m.body, buf[:k]...)
		m.raw = append(m.raw, buf[:k]...)
		m.mu.Unlock()
		progress()
		n -= int64(k)
		if err == io.EOF && n > 0 {
			return io.ErrUnexpectedEOF
		}
		if err != nil && n > 0 {
			return err
		}
	}
	return nil
}

func (m *message) readChunks(r *bufio.Reader, progress func()) error {
	for {
		line, err := m.line(r)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(size, 16, 63)
		if err != nil {
			return fmt.Errorf("%w: chunk size %q", errMalformed, line)
		}
		if n == 0 {
			trailers, err := m.readFields(r)
			m.mu.Lock()
			m.trailers = trailers
			m.mu.Unlock()
			return err
		}
		if err := m.copyBody(r, int64(n), progress); err != nil {
			return err
		}
		if end, err := m.line(r); err != nil || end != "" {
			if err == nil || err == io.EOF {
				err = fmt.Errorf("%w: no CRLF after a chunk", errMalformed)
			}
			return err
		}
	}
}

// brief quotes bytes for a message, cut to a readable length.
func brief[T string | []byte](b T) string {
	const most = 600
	if len(b) <= most {
		return strconv.Quote(string(b))
	}
	return fmt.Sprintf("%s… (%d bytes)", strconv.Quote(string(b[:most])), len(b))
}

package lbtest

import (
	"bufio"
	"io"
)

// ErrMalformed is what reading input that is no HTTP/1 message returns, wrapped.
var ErrMalformed = errMalformed

// Field is one header line as it came, without white space around the value.
type Field struct{ Name, Value string }

// Message is a request or a response that was read byte for byte by this
// package's own reader: a second opinion on framing, which shares nothing with
// the product's. It takes only what has one reading: lines that end with CRLF,
// one length.
type Message struct{ m message }

// ReadHead reads a start line and fields. io.EOF means that nothing came. The
// Message is never nil: after an error it has the bytes that did come.
func ReadHead(r *bufio.Reader) (*Message, error) {
	m := new(Message)
	err := m.m.readHead(r)
	return m, err
}

// ReadBody reads the rest of a message: of a response to a request with the
// given method, or of a request if the method is "". A body that breaks off is
// an error that wraps io.ErrUnexpectedEOF, or what the connection returned.
func (m *Message) ReadBody(r *bufio.Reader, method string) error {
	err := m.m.readBody(r, method == "", method, func() {})
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Start is the start line.
func (m *Message) Start() string { return m.m.start }

// Word is the n-th word of the start line, from 0; "" if there is none.
func (m *Message) Word(n int) string { return m.m.word(n) }

// Status is the status code of a response; 0 if it has none.
func (m *Message) Status() int { return m.m.status() }

// Get returns the values of the named field, in order.
func (m *Message) Get(name string) []string { return m.m.get(name) }

// Fields are the header lines in order.
func (m *Message) Fields() []Field { return export(m.m.fields) }

// Trailers are the lines of the trailer section in order.
func (m *Message) Trailers() []Field { return export(m.m.trailers) }

// Body is the body without its framing, as far as it came.
func (m *Message) Body() []byte { return m.m.body }

// Raw is everything that came of the message, framing included.
func (m *Message) Raw() []byte { return m.m.raw }

// UntilClose tells of a response whose body the end of the connection ends.
func (m *Message) UntilClose() bool { return m.m.framing == "close" }

func export(fields []field) []Field {
	out := make([]Field, len(fields))
	for i, f := range fields {
		out[i] = Field{f.name, f.value}
	}
	return out
}

// ReservePort returns a port on 127.0.0.1 that nobody else takes until release
// is called, and that a listener which sets SO_REUSEADDR can still bind.
func ReservePort() (port uint16, release func(), err error) {
	p, err := reserve(loopback)
	if err != nil {
		return 0, nil, err
	}
	return p.port, p.release, nil
}

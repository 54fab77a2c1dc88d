package lbtest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// step is one thing that a server does in reply to a request.
type step struct {
	kind stepKind
	data []byte // stepWrite
	resp *response
}

type stepKind uint8

const (
	stepWrite     stepKind = iota // send data
	stepRespond                   // send resp
	stepBody                      // read the rest of the request's body
	stepHold                      // wait for a release
	stepClose                     // close the connection
	stepReset                     // close it with RST
	stepHalfClose                 // send FIN, keep reading
	stepFlood                     // send bytes until the connection breaks
)

// response is a response to be made from its parts, for the request at hand:
// one to HEAD has no body.
type response struct {
	version    string
	status     int
	reason     string
	fields     []string // "Name: value"
	body       []byte
	length     int // Content-Length to claim, -1: the body's
	chunks     [][]byte
	chunked    bool
	extension  string
	trailers   []string
	untilClose bool
}

// parseReply parses what a server is to do: steps one after the other. Unless
// the first is "early", the request's body is read before them.
func parseReply(args []string) ([]step, error) {
	steps := []step{{kind: stepBody}}
	if len(args) > 0 && args[0] == "early" {
		steps, args = nil, args[1:]
	}
	if len(args) == 0 {
		return nil, errors.New("a reply has steps: status N, raw TEXT, pattern N, flood, hold, body, close, reset, half-close")
	}
	next := func() (string, error) {
		if len(args) == 0 {
			return "", errors.New("a reply ends where a value should stand")
		}
		a := args[0]
		args = args[1:]
		return a, nil
	}
	for len(args) > 0 {
		word, _ := next()
		switch word {
		case "raw":
			text, err := next()
			if err != nil {
				return nil, err
			}
			steps = append(steps, step{kind: stepWrite, data: []byte(text)})
		case "pattern":
			text, err := next()
			n, err2 := strconv.Atoi(text)
			if err = errors.Join(err, err2); err != nil {
				return nil, err
			}
			steps = append(steps, step{kind: stepWrite, data: pattern(n)})
		case "status":
			resp := &response{version: "HTTP/1.1", length: -1}
			text, err := next()
			if err != nil {
				return nil, err
			}
			if resp.status, err = strconv.Atoi(text); err != nil {
				return nil, err
			}
			resp.reason = fmt.Sprintf("Status %d", resp.status)
			for len(args) > 0 && strings.HasPrefix(args[0], "-") {
				if err := resp.option(next); err != nil {
					return nil, err
				}
			}
			steps = append(steps, step{kind: stepRespond, resp: resp})
		default:
			kind, ok := map[string]stepKind{
				"hold": stepHold, "body": stepBody, "close": stepClose, "reset": stepReset,
				"half-close": stepHalfClose, "flood": stepFlood,
			}[word]
			if !ok {
				return nil, fmt.Errorf("unknown step %s", word)
			}
			steps = append(steps, step{kind: kind})
		}
	}
	return steps, nil
}

// option takes one option of a status step.
func (p *response) option(next func() (string, error)) error {
	name, _ := next()
	switch name {
	case "-until-close":
		p.untilClose = true
		return nil
	case "-http1.0":
		p.version = "HTTP/1.0"
		return nil
	}
	value, err := next()
	if err != nil {
		return err
	}
	switch name {
	case "-H":
		p.fields = append(p.fields, value)
	case "-body":
		p.body = []byte(value)
	case "-size":
		n, err := strconv.Atoi(value)
		p.body = pattern(n)
		return err
	case "-length":
		p.length, err = strconv.Atoi(value)
		return err
	case "-chunk":
		p.chunked = true
		if value != "" {
			p.chunks = append(p.chunks, []byte(value))
		}
	case "-chunk-size":
		p.chunked = true
		n, err := strconv.Atoi(value)
		p.chunks = append(p.chunks, pattern(n))
		return err
	case "-extension":
		p.extension = value
	case "-trailer":
		p.trailers = append(p.trailers, value)
	case "-reason":
		p.reason = value
	default:
		return fmt.Errorf("unknown option %s", name)
	}
	return nil
}

// bytes is the response of server name to a request with the given method.
func (p *response) bytes(name, method string) []byte {
	b := fmt.Appendf(nil, "%s %d %s\r\n", p.version, p.status, p.reason)
	interim := p.status < 200
	if !interim {
		b = fmt.Appendf(b, "Served-By: %s\r\n", name)
	}
	for _, f := range p.fields {
		b = append(append(b, f...), "\r\n"...)
	}
	body := !interim && p.status != 204 && p.status != 304
	switch {
	case p.chunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case p.untilClose, !body:
	case p.length >= 0:
		b = fmt.Appendf(b, "Content-Length: %d\r\n", p.length)
	default:
		b = fmt.Appendf(b, "Content-Length: %d\r\n", len(p.body))
	}
	b = append(b, "\r\n"...)
	switch {
	case !body || method == "HEAD":
	case p.chunked:
		b = appendChunks(b, p.chunks, p.extension, p.trailers)
	default:
		b = append(b, p.body...)
	}
	return b
}

func appendChunks(b []byte, chunks [][]byte, extension string, trailers []string) []byte {
	for _, c := range chunks {
		b = fmt.Appendf(b, "%x%s\r\n%s\r\n", len(c), extension, c)
	}
	b = fmt.Appendf(b, "0%s\r\n", extension)
	for _, t := range trailers {
		b = append(append(b, t...), "\r\n"...)
	}
	return append(b, "\r\n"...)
}

package resolve

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// udpSize is the size of UDP replies that is offered by EDNS(0): what
	// passes without fragments nearly everywhere (DNS flag day 2020).
	udpSize = 1232
	// maxForeign is how many datagrams that are no answer are passed over
	// before a server is given up.
	maxForeign = 64
)

var (
	errNoSuchName = errors.New("no such name, or it has no addresses")
	errBadName    = errors.New("not a valid DNS name")
)

// lookup resolves a name once, in the order that the package comment gives.
// An error may come with addresses and their TTL, when one of the two questions
// failed.
func (r *Resolver) lookup(ctx context.Context, name string) (families, time.Duration, error) {
	bare := strings.TrimSuffix(name, ".")
	if addr, err := netip.ParseAddr(bare); err == nil {
		return fixed(addr), maxTTL, nil
	}
	if addrs := r.hosts.lookup(bare); len(addrs) > 0 {
		return fixed(addrs...), localTTL, nil
	}
	if bare == "localhost" || strings.HasSuffix(bare, ".localhost") {
		return fixed(netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()), localTTL, nil
	}

	conf := r.conf.load()
	if len(r.opt.Servers) > 0 {
		conf.servers = r.opt.Servers
	}
	failure := errNoSuchName // unless a question could not be answered
	for _, candidate := range conf.candidates(name) {
		f, err := r.askBoth(ctx, conf, candidate)
		if f.found() {
			return f, f.ttl(), err
		}
		if err == nil {
			continue
		}
		failure = err
		if !errors.Is(err, errAnswered) {
			// As in libc: this may be the name that was meant, only that the
			// answer was lost. What the next domain has under it is another
			// machine.
			break
		}
	}
	return families{}, 0, failure
}

// askBoth asks for A and AAAA of a name at the same time. The error is that of
// a question that failed, of one without any answer if there is one; a name
// without addresses is no error, and one that does not exist has no AAAA either,
// whatever became of that question.
func (r *Resolver) askBoth(ctx context.Context, conf resolvConf, name string) (families, error) {
	n, err := dnsmessage.NewName(name)
	if err != nil || !validName(name) {
		return families{}, fmt.Errorf("%w: %q", errBadName, name)
	}
	type reply struct {
		answer
		err error
	}
	other := make(chan reply, 1)
	go func() {
		a, err := r.ask(ctx, conf, dnsmessage.Question{Name: n, Type: dnsmessage.TypeAAAA, Class: dnsmessage.ClassINET})
		other <- reply{a, err}
	}()
	var f families
	var errs [2]error
	f[v4], errs[v4] = r.ask(ctx, conf, dnsmessage.Question{Name: n, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET})
	got := <-other
	f[v6], errs[v6] = got.answer, got.err
	switch {
	case f[v4].outcome == absent || f[v6].outcome == absent:
		return f, nil
	case errs[v4] == nil || errs[v6] != nil && errors.Is(errs[v4], errAnswered):
		return f, errs[v6]
	}
	return f, errs[v4]
}

// validName tells whether a rooted name can be packed: labels of 1 to 63
// bytes, 254 in all (RFC 1035 section 2.3.4).
func validName(name string) bool {
	if len(name) > 254 || !strings.HasSuffix(name, ".") {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if len(label) == 0 || len(label) > 63 {
			return false
		}
	}
	return true
}

// ask puts one question to the servers in order, round by round, until one
// answers. The first round is quick, so that one server that is down does not
// hold up a start.
func (r *Resolver) ask(ctx context.Context, conf resolvConf, q dnsmessage.Question) (answer, error) {
	var last error
	for round := range conf.attempts {
		for _, server := range conf.servers {
			try, cancel := context.WithTimeout(ctx, min(conf.timeout, time.Second<<round))
			a, err := r.askServer(try, server, q)
			cancel()
			if err == nil {
				return a, nil
			}
			last = fmt.Errorf("server %v: %w", server, err)
			if ctx.Err() != nil {
				return answer{}, last
			}
		}
	}
	return answer{}, last
}

// askServer puts a question to one server, over UDP and, where the answer does
// not fit, over TCP.
func (r *Resolver) askServer(ctx context.Context, server netip.AddrPort, q dnsmessage.Question) (answer, error) {
	a, err := r.exchange(ctx, "udp", server, q)
	if errors.Is(err, errTruncated) {
		a, err = r.exchange(ctx, "tcp", server, q)
	}
	return a, err
}

// exchange sends a query and waits for its answer. The socket is its own, so
// the kernel draws a source port for each query; with the random id a forger
// has to guess both (RFC 5452).
func (r *Resolver) exchange(ctx context.Context, network string, server netip.AddrPort, q dnsmessage.Question) (answer, error) {
	conn, err := r.opt.Dial(ctx, network, server.String())
	if err != nil {
		return answer{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	var idBytes [2]byte
	rand.Read(idBytes[:])
	id := binary.BigEndian.Uint16(idBytes[:])
	query, err := buildQuery(id, q)
	if err != nil {
		return answer{}, err
	}
	if network == "tcp" {
		return exchangeStream(conn, query, id, q)
	}
	if _, err := conn.Write(query[2:]); err != nil {
		return answer{}, err
	}
	buf := make([]byte, udpSize)
	for range maxForeign {
		n, err := conn.Read(buf)
		if err != nil {
			return answer{}, err
		}
		a, err := parseAnswer(buf[:n], id, q)
		if !errors.Is(err, errNotOurs) {
			return a, err
		}
	}
	return answer{}, errNotOurs
}

func exchangeStream(conn net.Conn, query []byte, id uint16, q dnsmessage.Question) (answer, error) {
	if _, err := conn.Write(query); err != nil {
		return answer{}, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return answer{}, err
	}
	msg := make([]byte, binary.BigEndian.Uint16(length[:])) // at most 64 KiB
	if _, err := io.ReadFull(conn, msg); err != nil {
		return answer{}, err
	}
	return parseAnswer(msg, id, q)
}

// buildQuery returns a recursive query with EDNS(0) (RFC 6891), after the two
// bytes of length that TCP wants.
func buildQuery(id uint16, q dnsmessage.Question) ([]byte, error) {
	b := dnsmessage.NewBuilder(make([]byte, 2, 2+udpSize), dnsmessage.Header{ID: id, RecursionDesired: true})
	var opt dnsmessage.ResourceHeader
	err := errors.Join(
		b.StartQuestions(),
		b.Question(q),
		b.StartAdditionals(),
		opt.SetEDNS0(udpSize, dnsmessage.RCodeSuccess, false),
		b.OPTResource(opt, dnsmessage.OPTResource{}),
	)
	if err != nil {
		return nil, err
	}
	msg, err := b.Finish()
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint16(msg, uint16(len(msg)-2))
	return msg, nil
}

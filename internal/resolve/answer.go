package resolve

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// maxAliases bounds a chain of CNAMEs.
const maxAliases = 12

var (
	// errNotOurs: a message that does not answer the question. Over UDP it
	// may be forged or late, and the real answer may still come.
	errNotOurs   = errors.New("reply does not match the question")
	errTruncated = errors.New("reply is truncated")
	errAliases   = fmt.Errorf("more than %d CNAMEs in a row", maxAliases)

	// errAnswered: a server replied that it has no answer.
	errAnswered = errors.New("server answered")
	errLame     = fmt.Errorf("%w that it is not recursive", errAnswered)
)

// parseAnswer reads a reply to the question q, asked under id. Any message may
// come here; what it gives is bounded by the 64 KiB of a message: 4,095 IPv4
// addresses. None of them is dropped to have fewer: servers rotate addresses, so
// that others would be missing each time.
//
// Only records on the chain of CNAMEs that starts at the question count
// (RFC 1034 section 3.6.2), so a reply cannot smuggle in addresses of another
// name. Addresses that no target can have, unspecified and multicast ones, are
// dropped.
func parseAnswer(msg []byte, id uint16, q dnsmessage.Question) (answer, error) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", errNotOurs, err)
	}
	asked, err := p.Question()
	if err != nil || h.ID != id || !h.Response || h.OpCode != 0 ||
		asked.Type != q.Type || asked.Class != q.Class || !sameName(&asked.Name, &q.Name) {
		return answer{}, errNotOurs
	}
	if h.Truncated {
		return answer{}, errTruncated
	}
	switch h.RCode {
	case dnsmessage.RCodeSuccess:
	case dnsmessage.RCodeNameError:
		return answer{outcome: absent}, nil
	default:
		return answer{}, fmt.Errorf("%w %s", errAnswered, strings.TrimPrefix(h.RCode.String(), "RCode"))
	}
	if err := p.SkipAllQuestions(); err != nil {
		return answer{}, err
	}
	recs, err := readRecords(&p, q.Type)
	if err != nil {
		return answer{}, err
	}
	if recs.count == 0 && !h.RecursionAvailable && !h.Authoritative {
		return answer{}, errLame
	}
	return recs.follow(q.Name)
}

// records are those of an answer section that can matter.
type records struct {
	count   int
	aliases map[string]alias
	addrs   map[string][]addrRecord
}

type alias struct {
	to  string
	ttl uint32
}

type addrRecord struct {
	addr netip.Addr
	ttl  uint32
}

// key is a name in the form that the maps of records use.
func key(n *dnsmessage.Name) string { return strings.ToLower(n.String()) }

func readRecords(p *dnsmessage.Parser, want dnsmessage.Type) (records, error) {
	recs := records{aliases: map[string]alias{}, addrs: map[string][]addrRecord{}}
	for ; ; recs.count++ {
		h, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return recs, nil
		}
		if err != nil {
			return recs, err
		}
		name := key(&h.Name)
		var addr netip.Addr
		switch {
		case h.Class != dnsmessage.ClassINET:
			err = p.SkipAnswer()
		case h.Type == dnsmessage.TypeCNAME:
			var res dnsmessage.CNAMEResource
			if res, err = p.CNAMEResource(); err == nil {
				recs.aliases[name] = alias{key(&res.CNAME), h.TTL}
			}
		case h.Type != want:
			err = p.SkipAnswer()
		case h.Type == dnsmessage.TypeA:
			var res dnsmessage.AResource
			res, err = p.AResource()
			addr = netip.AddrFrom4(res.A)
		case h.Type == dnsmessage.TypeAAAA:
			var res dnsmessage.AAAAResource
			res, err = p.AAAAResource()
			addr = netip.AddrFrom16(res.AAAA).Unmap()
		default:
			err = p.SkipAnswer()
		}
		if err != nil {
			return recs, err
		}
		if addr.IsValid() && !addr.IsUnspecified() && !addr.IsMulticast() {
			recs.addrs[name] = append(recs.addrs[name], addrRecord{addr, h.TTL})
		}
	}
}

// follow goes from name along its CNAMEs to its addresses.
func (r *records) follow(name dnsmessage.Name) (answer, error) {
	at, ttl := key(&name), uint32(maxTTL/time.Second)
	for range maxAliases + 1 {
		if addrs := r.addrs[at]; len(addrs) > 0 {
			a := answer{outcome: found}
			for _, rec := range addrs {
				a.addrs = append(a.addrs, rec.addr)
				ttl = min(ttl, rec.ttl)
			}
			a.ttl = time.Duration(ttl) * time.Second
			return a, nil
		}
		next, ok := r.aliases[at]
		if !ok {
			return answer{outcome: none}, nil
		}
		at, ttl = next.to, min(ttl, next.ttl)
	}
	return answer{}, errAliases
}

func sameName(a, b *dnsmessage.Name) bool {
	return strings.EqualFold(string(a.Data[:a.Length]), string(b.Data[:b.Length]))
}

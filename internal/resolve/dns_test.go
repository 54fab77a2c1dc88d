package resolve

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// zone is a DNS server on loopback, over UDP and TCP on one port.
type zone struct {
	t    *testing.T
	addr netip.AddrPort
	udp  net.PacketConn
	tcp  net.Listener
	wg   sync.WaitGroup

	mu      sync.Mutex
	records map[string][]string // "a name" or "aaaa name" -> "ttl value", or "cname …", or an rcode
	asked   []string            // "udp a name", in order
	mangle  func(network string, reply []byte) [][]byte
}

func newZone(t *testing.T) *zone {
	t.Helper()
	z := &zone{t: t, records: map[string][]string{}}
	for z.udp == nil { // until a port is free for both
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		u, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil {
			l.Close()
			continue
		}
		z.tcp, z.udp = l, u
		z.addr = netip.MustParseAddrPort(l.Addr().String())
	}
	z.wg.Go(z.serveUDP)
	z.wg.Go(z.serveTCP)
	t.Cleanup(func() {
		z.udp.Close()
		z.tcp.Close()
		z.wg.Wait()
	})
	return z
}

// set gives a name its records; kind is a or aaaa. A record is "ttl address",
// "ttl cname name" or, alone, "servfail", "nxdomain" or "silence".
func (z *zone) set(kind, name string, records ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[kind+" "+name+"."] = records
}

func (z *zone) setMangle(f func(network string, reply []byte) [][]byte) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.mangle = f
}

// questions returns what was asked since the last call.
func (z *zone) questions() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	q := z.asked
	z.asked = nil
	return q
}

func (z *zone) serveUDP() {
	buf := make([]byte, 4096)
	for {
		n, from, err := z.udp.ReadFrom(buf)
		if err != nil {
			return
		}
		for _, reply := range z.answer("udp", buf[:n]) {
			z.udp.WriteTo(reply, from)
		}
	}
}

func (z *zone) serveTCP() {
	for {
		conn, err := z.tcp.Accept()
		if err != nil {
			return
		}
		z.wg.Go(func() {
			defer conn.Close()
			var length [2]byte
			if _, err := io.ReadFull(conn, length[:]); err != nil {
				return
			}
			query := make([]byte, binary.BigEndian.Uint16(length[:]))
			if _, err := io.ReadFull(conn, query); err != nil {
				return
			}
			for _, reply := range z.answer("tcp", query) {
				conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
			}
		})
	}
}

func (z *zone) answer(network string, query []byte) [][]byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		z.t.Errorf("bad query %x: %v", query, err)
		return nil
	}
	q := m.Questions[0]
	kind := strings.ToLower(strings.TrimPrefix(q.Type.String(), "Type"))
	name := q.Name.String()

	z.mu.Lock()
	z.asked = append(z.asked, network+" "+kind+" "+name)
	records, known := z.records[kind+" "+name]
	mangle := z.mangle
	z.mu.Unlock()

	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, RecursionDesired: true, RecursionAvailable: true},
		Questions: m.Questions,
	}
	if !known {
		reply.RCode = dnsmessage.RCodeNameError
	}
	for _, rec := range records {
		switch rec {
		case "silence":
			return nil
		case "servfail":
			reply.RCode = dnsmessage.RCodeServerFailure
		case "nxdomain":
			reply.RCode = dnsmessage.RCodeNameError
		default:
			reply.Answers = append(reply.Answers, parseRecord(z.t, q.Name, rec)...)
		}
	}
	packed, err := reply.Pack()
	if err != nil {
		z.t.Error(err)
		return nil
	}
	if mangle != nil {
		return mangle(network, packed)
	}
	if network == "udp" && len(packed) > udpSize {
		reply.Truncated, reply.Answers = true, nil
		packed, _ = reply.Pack()
	}
	return [][]byte{packed}
}

// parseRecord reads "ttl address" and "ttl cname target", of owner or, where
// the text begins with one, of another name.
func parseRecord(t *testing.T, owner dnsmessage.Name, text string) []dnsmessage.Resource {
	t.Helper()
	f := strings.Fields(text)
	if len(f) == 3 && f[1] != "cname" || len(f) == 4 { // owner first
		owner = dnsmessage.MustNewName(f[0])
		f = f[1:]
	}
	var ttl uint32
	for _, c := range f[0] {
		ttl = ttl*10 + uint32(c-'0')
	}
	h := dnsmessage.ResourceHeader{Name: owner, Class: dnsmessage.ClassINET, TTL: ttl}
	var body dnsmessage.ResourceBody
	if f[1] == "cname" {
		body = &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(f[2])}
	} else if addr := netip.MustParseAddr(f[1]); addr.Is4() {
		body = &dnsmessage.AResource{A: addr.As4()}
	} else {
		body = &dnsmessage.AAAAResource{AAAA: addr.As16()}
	}
	return []dnsmessage.Resource{{Header: h, Body: body}}
}

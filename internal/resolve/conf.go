package resolve

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxFile bounds how much of resolv.conf and hosts is read.
	maxFile = 1 << 20

	// Bounds of resolv.conf(5).
	maxServers  = 3
	maxSearch   = 32
	maxNdots    = 15
	maxTimeout  = 30 * time.Second
	maxAttempts = 5
)

// resolvConf is what counts of resolv.conf(5).
type resolvConf struct {
	servers  []netip.AddrPort
	search   []string // without dots at either end
	ndots    int
	timeout  time.Duration
	attempts int
}

// parseResolvConf reads resolv.conf. What it does not know it passes over, as
// libc does; numbers are kept within bounds.
func parseResolvConf(data []byte) resolvConf {
	c := resolvConf{ndots: 1, timeout: 5 * time.Second, attempts: 2}
	for line := range strings.Lines(string(data)) {
		if line[0] == ';' || line[0] == '#' {
			continue
		}
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "nameserver":
			if addr, err := netip.ParseAddr(f[1]); err == nil && len(c.servers) < maxServers {
				c.servers = append(c.servers, netip.AddrPortFrom(addr, 53))
			}
		case "domain":
			c.setSearch(f[1:2])
		case "search":
			c.setSearch(f[1:])
		case "options":
			for _, o := range f[1:] {
				c.setOption(o)
			}
		}
	}
	if len(c.servers) == 0 {
		c.servers = []netip.AddrPort{
			netip.MustParseAddrPort("127.0.0.1:53"),
			netip.MustParseAddrPort("[::1]:53"),
		}
	}
	return c
}

func (c *resolvConf) setSearch(domains []string) {
	c.search = nil
	for _, d := range domains {
		if d = strings.ToLower(strings.Trim(d, ".")); d != "" && len(c.search) < maxSearch {
			c.search = append(c.search, d)
		}
	}
}

func (c *resolvConf) setOption(o string) {
	name, value, _ := strings.Cut(o, ":")
	n, err := strconv.Atoi(value)
	if err != nil {
		return
	}
	switch name {
	case "ndots":
		c.ndots = min(max(n, 0), maxNdots)
	case "timeout":
		c.timeout = time.Duration(min(max(n, 1), int(maxTimeout/time.Second))) * time.Second
	case "attempts":
		c.attempts = min(max(n, 1), maxAttempts)
	}
}

// candidates are the rooted names to ask for, in order: the name itself comes
// first if it has ndots dots or more, last otherwise. A name that is rooted
// already stands alone.
func (c *resolvConf) candidates(name string) []string {
	if strings.HasSuffix(name, ".") {
		return []string{name}
	}
	var list []string
	asIs := strings.Count(name, ".") >= c.ndots
	if asIs {
		list = append(list, name+".")
	}
	for _, d := range c.search {
		if full := name + "." + d + "."; validName(full) {
			list = append(list, full)
		}
	}
	if !asIs {
		list = append(list, name+".")
	}
	return list
}

// parseHosts reads hosts(5): names, lower case, and their addresses in order.
func parseHosts(data []byte) map[string][]netip.Addr {
	m := make(map[string][]netip.Addr)
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(f[0])
		if err != nil {
			continue
		}
		for _, name := range f[1:] {
			name = strings.ToLower(strings.TrimSuffix(name, "."))
			m[name] = append(m[name], addr)
		}
	}
	return m
}

// file is a small file that is read again when it has changed.
type file struct {
	path string

	mu   sync.Mutex // guards the fields below, and what is parsed of the file
	seen bool
	size int64
	time time.Time
}

// changedLocked returns the content if it is not what was read before. A file
// that cannot be read counts as unchanged, or as empty if it was never read:
// one that is just being replaced must not lose what it said.
func (f *file) changedLocked() (data []byte, changed bool) {
	first := !f.seen
	f.seen = true
	info, err := os.Stat(f.path)
	if err != nil || !first && info.Size() == f.size && info.ModTime().Equal(f.time) {
		return nil, first
	}
	src, err := os.Open(f.path)
	if err != nil {
		return nil, first
	}
	defer src.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(src, maxFile)); err != nil {
		return nil, first
	}
	f.size, f.time = info.Size(), info.ModTime()
	return b.Bytes(), true
}

// confFile is resolv.conf as it is now.
type confFile struct {
	file
	conf resolvConf
}

func (f *confFile) load() resolvConf {
	f.mu.Lock()
	defer f.mu.Unlock()
	if data, changed := f.changedLocked(); changed {
		f.conf = parseResolvConf(data)
	}
	return f.conf
}

// hostsFile is /etc/hosts as it is now.
type hostsFile struct {
	file
	names map[string][]netip.Addr
}

func (f *hostsFile) lookup(name string) []netip.Addr {
	f.mu.Lock()
	defer f.mu.Unlock()
	if data, changed := f.changedLocked(); changed {
		f.names = parseHosts(data)
	}
	return f.names[name]
}

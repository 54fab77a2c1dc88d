// Package resolve keeps names resolved: it asks DNS for the addresses of a set
// of names, asks again when their TTL is over, and tells of changes.
//
// A name goes this way: an IP address stands for itself; then /etc/hosts;
// then localhost (RFC 6761 section 6.3); then DNS, A and AAAA at the same
// time, over UDP, over TCP where an answer was truncated. resolv.conf gives
// servers, search domains and ndots, as in resolv.conf(5).
//
// An address once known is kept until a better answer comes. A server that is
// down, that does not know the name any more or that answers garbage changes
// nothing (static stability); it is asked again, with growing pauses. So a
// name's addresses change only by an answer that has addresses.
//
// Not done here: DNSSEC, SRV, /etc/nsswitch.conf, and choosing between
// addresses.
package resolve

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/elbow-lb/elbow/internal/clock"
)

// Bounds of how long an answer is kept before it is asked for again.
const (
	minTTL = time.Second
	maxTTL = 5 * time.Minute

	// localTTL is for what did not come from DNS: how soon an edit of
	// /etc/hosts is seen.
	localTTL = 10 * time.Second

	// minRetry and maxRetry bound the pause after a failure, which doubles
	// from one failure to the next.
	minRetry = time.Second
	maxRetry = 30 * time.Second

	// lookupTimeout bounds one resolution: all servers, attempts and search
	// domains together.
	lookupTimeout = 30 * time.Second

	// maxLookups bounds how many names are resolved at once.
	maxLookups = 64
)

// Options configure a Resolver. The zero value works.
//
// The callbacks run on the goroutines that resolve, for one name one after
// the other. They may come for a name that was just taken out. They must not
// block, nor call Close.
type Options struct {
	// Clock drives TTLs and retries; nil means clock.Real. Timeouts of queries
	// always pass in real time.
	Clock clock.Clock
	// Servers are the DNS servers to ask; none means those of ResolvConf.
	Servers []netip.AddrPort
	// ResolvConf is the path of resolv.conf(5); "" means /etc/resolv.conf. It
	// is read again when it changes.
	ResolvConf string
	// Hosts is the path of hosts(5); "" means /etc/hosts. It is read again
	// when it changes.
	Hosts string
	// Dial opens sockets to DNS servers, "udp" or "tcp"; nil means
	// net.Dialer's. A UDP socket must be connected, so that it only takes
	// datagrams from its server.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// OnChange, if not nil, is called when the addresses of a name have
	// changed, also when they became known. addrs is sorted, without
	// duplicates, never empty, and must not be changed.
	OnChange func(name string, addrs []netip.Addr)
	// OnError, if not nil, is called when a resolution failed or half of it
	// did, IPv4 or IPv6. What failed keeps the addresses it had. Of failures
	// in a row that are alike in this only the first is told.
	OnError func(name string, err error)
}

// Resolver keeps a set of names resolved. Its methods may be called from any
// goroutine.
type Resolver struct {
	// Immutable after New.
	opt   Options
	conf  confFile
	hosts hostsFile
	ctx   context.Context // done when closed
	stop  context.CancelFunc
	slots chan struct{} // one place for each lookup that may run

	lookups sync.WaitGroup

	mu       sync.Mutex // guards the fields below, and those of watches
	closed   bool
	names    map[string]*watch
	inFlight int
	idle     chan struct{} // closed when inFlight returns to 0
}

// watch is one name that is kept resolved. It waits for its timer, or is in
// flight, or is gone.
type watch struct {
	name  string        // as the caller writes it
	tried chan struct{} // closed after the first attempt

	// Guarded by Resolver.mu.
	done   bool // tried is closed
	known  families
	addrs  []netip.Addr // of known, sorted; replaced, never changed
	err    error        // of the last attempt
	fails  int          // failed attempts in a row
	found  bool         // the last attempt gave addresses, be it by half
	timer  clock.Timer
	cancel context.CancelFunc
	gone   bool
}

// New returns a resolver without names.
func New(opt Options) *Resolver {
	if opt.Clock == nil {
		opt.Clock = clock.Real
	}
	if opt.Dial == nil {
		opt.Dial = (&net.Dialer{}).DialContext
	}
	if opt.ResolvConf == "" {
		opt.ResolvConf = "/etc/resolv.conf"
	}
	if opt.Hosts == "" {
		opt.Hosts = "/etc/hosts"
	}
	r := &Resolver{
		opt:   opt,
		slots: make(chan struct{}, maxLookups),
		names: make(map[string]*watch),
	}
	r.conf.path = opt.ResolvConf
	r.hosts.path = opt.Hosts
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// SetNames makes names the set that is kept resolved. New ones are asked for
// at once, those that are no longer there are forgotten. Case does not matter.
// A name with a dot at its end is looked up without search domains. After
// Close, SetNames does nothing.
func (r *Resolver) SetNames(names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	keep := make(map[string]bool, len(names))
	for _, n := range names {
		keep[strings.ToLower(n)] = true
		r.addLocked(n)
	}
	for n, w := range r.names {
		if !keep[n] {
			r.removeLocked(w)
		}
	}
}

// Resolve adds names to the set that is kept resolved, and waits until each
// was tried once or ctx is done. The error, if any, tells of every name that
// has no addresses yet; those names are tried on.
func (r *Resolver) Resolve(ctx context.Context, names []string) error {
	r.mu.Lock()
	watches := make([]*watch, 0, len(names))
	for _, n := range names {
		if w := r.addLocked(n); w != nil {
			watches = append(watches, w)
		}
	}
	closed := r.closed
	r.mu.Unlock()
	if closed {
		return errors.New("resolver is closed")
	}

	for _, w := range watches {
		select {
		case <-w.tried:
		case <-ctx.Done():
		}
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, w := range watches {
		if len(w.addrs) > 0 {
			continue
		}
		err := w.err
		if err == nil {
			err = errors.New("no answer yet")
		}
		errs = append(errs, fmt.Errorf("resolve %s: %w", w.name, err))
	}
	return errors.Join(errs...)
}

// Lookup returns the last addresses known of a name in the set, sorted and
// without duplicates; false when none are known. The slice must not be changed.
func (r *Resolver) Lookup(name string) ([]netip.Addr, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.names[strings.ToLower(name)]
	if w == nil || len(w.addrs) == 0 {
		return nil, false
	}
	return w.addrs, true
}

// Settle waits until no resolution is in flight and their callbacks have
// returned, or until ctx is done, whose error it returns then.
func (r *Resolver) Settle(ctx context.Context) error {
	r.mu.Lock()
	idle, busy := r.idle, r.inFlight > 0
	r.mu.Unlock()
	if !busy {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close stops everything, waits for it to end, and forgets what was known.
func (r *Resolver) Close() {
	r.mu.Lock()
	r.closed = true
	for _, w := range r.names {
		r.removeLocked(w)
	}
	r.mu.Unlock()
	r.stop()
	r.lookups.Wait()
}

func (r *Resolver) addLocked(name string) *watch {
	if r.closed {
		return nil
	}
	name = strings.ToLower(name)
	w := r.names[name]
	if w == nil {
		w = &watch{name: name, tried: make(chan struct{})}
		r.names[name] = w
		r.startLocked(w)
	}
	return w
}

func (r *Resolver) removeLocked(w *watch) {
	w.gone = true
	delete(r.names, w.name)
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.cancel != nil {
		w.cancel()
	}
}

// onDue is a watch's timer.
func (r *Resolver) onDue(w *watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !w.gone && w.cancel == nil {
		r.startLocked(w)
	}
}

func (r *Resolver) startLocked(w *watch) {
	if r.inFlight == 0 {
		r.idle = make(chan struct{})
	}
	r.inFlight++
	ctx, cancel := context.WithCancel(r.ctx)
	w.cancel = cancel
	r.lookups.Add(1)
	go r.refresh(ctx, w)
}

// refresh resolves a name once and plans the next time.
func (r *Resolver) refresh(ctx context.Context, w *watch) {
	defer r.lookups.Done()
	var known families
	var ttl time.Duration
	var err error
	select {
	case r.slots <- struct{}{}:
		bounded, cancel := context.WithTimeout(ctx, lookupTimeout)
		known, ttl, err = r.lookup(bounded, w.name)
		cancel()
		<-r.slots
	case <-ctx.Done():
		err = ctx.Err()
	}
	r.report(w, known, err)
	r.finish(w, ttl)
}

// report takes the outcome in and tells of it.
func (r *Resolver) report(w *watch, known families, err error) {
	r.mu.Lock()
	w.cancel() // frees the context; the timer is set only in finish
	changed, tell := false, false
	w.err = err
	if !w.gone {
		w.known.update(known)
		if addrs := w.known.addrs(); len(addrs) > 0 && !slices.Equal(addrs, w.addrs) {
			w.addrs, changed = addrs, true
		}
	}
	if err != nil {
		w.fails++
		tell = w.fails == 1 || w.found != known.found()
	} else {
		w.fails = 0
	}
	w.found = known.found()
	addrs, gone := w.addrs, w.gone
	if !w.done {
		w.done = true
		close(w.tried)
	}
	r.mu.Unlock()

	if gone {
		return
	}
	if tell && r.opt.OnError != nil {
		r.opt.OnError(w.name, err)
	}
	if changed && r.opt.OnChange != nil {
		r.opt.OnChange(w.name, addrs)
	}
}

// finish sets the timer for the next time; ttl is 0 when nothing was found.
func (r *Resolver) finish(w *watch, ttl time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.cancel = nil
	if !w.gone {
		pause := ttl
		if w.fails > 0 {
			pause = retryAfter(w.fails)
			if ttl > 0 { // half of it was answered, and is good for so long
				pause = min(pause, ttl)
			}
		}
		if w.timer == nil {
			w.timer = r.opt.Clock.AfterFunc(pause, func() { r.onDue(w) })
		} else {
			w.timer.Reset(pause)
		}
	}
	r.inFlight--
	if r.inFlight == 0 {
		close(r.idle)
	}
}

// retryAfter is the pause after the n-th failure in a row: it doubles up to
// maxRetry, less up to a quarter at random so that names do not ask in step.
func retryAfter(n int) time.Duration {
	d := maxRetry
	if n < 6 {
		d = min(minRetry<<(n-1), maxRetry)
	}
	return d - rand.N(d/4)
}

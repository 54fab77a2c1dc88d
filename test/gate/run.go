package gate

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
)

// Endpoint is where cases of one profile are played: the address of a listener,
// and the target behind it.
type Endpoint struct {
	Addr   string
	Target *Target
}

// Lane is what one case at a time has for itself: an endpoint per profile.
type Lane map[string]Endpoint

// Observation is what was seen when a case was played.
type Observation struct {
	Case      *Case
	Err       error // it could not be played
	Stamp     string
	Responses []*Response
	Fate      Fate
	Detail    string     // of Lost, or what is wrong on the client's side
	Other     string     // what is wrong with another client's request afterwards
	In        []byte     // everything that the client got
	Client    netip.Addr // the client's, which no other case has
	Target    seenByTarget
	Log       []map[string]any // the client's lines in the access log; nil: there is none
	Logged    bool             // there is an access log
}

// Options say how cases are played. The zero value is the normal way.
type Options struct {
	Dribble bool // clients send byte by byte what is not long
}

// Run plays the cases, one at a time on each lane, and returns what was seen in
// the order of the cases. A case whose profile no lane has gets an Err.
func Run(cases []*Case, lanes []Lane, opt Options) []*Observation {
	out := make([]*Observation, len(cases))
	next := make(chan int)
	var running sync.WaitGroup
	for _, l := range lanes {
		running.Go(func() {
			for i := range next {
				out[i] = l.play(cases[i], i, opt)
			}
		})
	}
	for i := range cases {
		next <- i
	}
	close(next)
	running.Wait()
	return out
}

// play plays one case.
func (l Lane) play(c *Case, n int, opt Options) *Observation {
	o := &Observation{Case: c}
	e, ok := l[c.Profile]
	if !ok {
		o.Err = fmt.Errorf("the load balancer cannot be configured for %q", c.Profile)
		return o
	}
	stamp := fmt.Sprint(n)
	o.Stamp = stamp
	follow := profiles[c.Profile].Follow
	e.Target.begin(stamp, c.Reply)
	o.Client = netip.AddrFrom4([4]byte{127, 1, byte(n >> 8), byte(n)})
	conn, err := dial(o.Client, e.Addr)
	if err != nil {
		o.Err = err
		return o
	}
	defer conn.Close()
	conn.methods, conn.dribble = c.methods(), opt.Dribble
	o.converse(conn, func() (string, bool) { return conn.ask(follow, "follow", stamp) })
	o.In = conn.in
	conn.Close()

	// Somebody else comes afterwards, and must not get what was meant for, or
	// made by, this client.
	other, err := dial(netip.AddrFrom4([4]byte{127, 0, 0, 2}), e.Addr)
	if err != nil {
		o.Err = err
		return o
	}
	defer other.Close()
	problem, closed := other.ask(follow, "other", stamp)
	if closed {
		problem = "its connection was closed"
	}
	o.Other = problem
	other.Close()
	o.Target = e.Target.take(c.Discards)
	return o
}

// converse sends what the case says, reads what comes, and finds out in which
// state the connection is then: ask makes a further request on it, and says what
// is wrong with the answer, or that the connection had been closed.
func (o *Observation) converse(conn *client, ask func() (problem string, closed bool)) {
	c := o.Case
	var sending []<-chan struct{}
	for _, s := range c.Steps {
		switch {
		case s.Send != nil:
			sending = append(sending, conn.send(s.Send))
		case s.End:
			wait(sending)
			conn.Conn.(interface{ CloseWrite() error }).CloseWrite()
		case s.Await:
			if r := conn.response(); r != nil && r.Status >= 200 {
				o.Responses = append(o.Responses, r)
			}
		}
	}
	defer func() { wait(sending) }()
	most := 0
	for _, w := range [][]Outcome{c.Want, c.Monitor, c.Peer} {
		for _, out := range w {
			most = max(most, len(out.Statuses))
		}
	}
	last := false
	for _, r := range o.Responses {
		last = last || r.Last
	}
	for len(o.Responses) < most && !last && !conn.closed {
		r := conn.final()
		if r == nil {
			break
		}
		o.Responses = append(o.Responses, r)
		last = r.Last
	}
	switch {
	case conn.fault != "":
		o.Fate, o.Detail = Lost, conn.fault
	case conn.silent:
		o.Fate = Silent
	case conn.closed:
		o.Fate = Closed
	case last || most == 0:
		rest := conn.ended()
		switch {
		case conn.silent && most > 0:
			o.Fate, o.Detail = Lost, "it said that it closes the connection, and did not"
		case len(rest) > 0:
			o.Fate, o.Detail = Lost, fmt.Sprintf("after the last response came %.300q", rest)
		case conn.silent:
			o.Fate = Silent
		default:
			o.Fate = Closed
		}
	default:
		problem, closed := ask()
		switch {
		case closed:
			o.Fate = Closed
		case problem != "":
			o.Fate, o.Detail = Lost, "the next request on the connection: "+problem
		default:
			o.Fate = Kept
		}
	}
}

func wait(sending []<-chan struct{}) {
	for _, s := range sending {
		<-s
	}
}

// methods are those of the requests, as far as the framing of their responses
// depends on it: the case's own word, or how its bytes begin.
func (c *Case) methods() []string {
	if len(c.Methods) > 0 {
		return c.Methods
	}
	if s := c.Steps[0].Send; strings.HasPrefix(strings.TrimLeft(string(s), "\r\n"), "HEAD ") {
		return []string{"HEAD"}
	}
	return nil
}

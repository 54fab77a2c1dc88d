package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// pacedResult is what a paced run hands back, as one line of JSON. Times are in
// microseconds.
type pacedResult struct {
	Requests    int     `json:"requests"`   // answered
	Unanswered  int     `json:"unanswered"` // due but not answered when the run was given up
	Seconds     float64 `json:"seconds"`
	P50         float64 `json:"p50_us"`
	P99         float64 `json:"p99_us"`
	LatenessP99 float64 `json:"lateness_p99_us"` // how late the generator itself sent
}

const (
	// Arrivals of this first part of a run are load but not samples: the
	// connections have been idle since they were warmed.
	pacedLeadIn = 300 * time.Millisecond
	// How long after the last arrival answers are waited for.
	pacedPatience = 10 * time.Second
)

// runPaced is the open-loop load generator: requests are due at moments of a
// Poisson process, whatever the answers do, and latency counts from the moment
// a request was due. So a stall shows in every request that it delayed, which a
// closed loop such as wrk's hides (coordinated omission).
//
// Arguments: port, path, connections, requests per second, seconds, seed.
// Every connection has carried one request when "ready" is said. Requests go
// to the connection that has rested longest, so that 2,000 connections at
// 2,000 requests/s carry one a second each.
func runPaced(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 6 {
		return errors.New("want port, path, connections, rate, seconds, seed")
	}
	var n [4]int
	for i, s := range []string{args[0], args[2], args[4], args[5]} {
		v, err := strconv.Atoi(s)
		if err != nil {
			return err
		}
		n[i] = v
	}
	rate, err := strconv.ParseFloat(args[3], 64)
	if err != nil || rate <= 0 {
		return fmt.Errorf("rate %q", args[3])
	}
	port, conns, length := n[0], n[1], time.Duration(n[2])*time.Second
	p, err := newPacer(port, args[1], conns)
	if err != nil {
		return err
	}
	p.schedule(rate, length, uint64(n[3]))
	fmt.Fprintln(out, "ready")
	if _, err := bufio.NewReader(in).ReadString('\n'); err != nil {
		return err
	}
	dedicate()
	preferSelf()
	if err := p.loop(); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(p.result(length))
}

// preferSelf lets the generator run whenever it has something to do, before the
// target it shares a processor with: else its lateness is in every latency.
// Where that is not allowed it stays late, which the report shows.
func preferSelf() {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
	_ = unix.SchedSetAttr(0, &attr, 0)
}

type pacer struct {
	ep      int
	request []byte
	conns   []pacedConn
	rested  ring // idle connections, longest rest first

	due       []time.Duration // when each request is due, from the start
	next      int             // first of due not sent yet
	inFlight  int
	freed     time.Duration // when a connection last ended a want of connections
	latencies []time.Duration
	lateness  []time.Duration
	answered  int
	events    [256]unix.EpollEvent
}

type pacedConn struct {
	fd     int
	due    time.Duration // of the request in flight
	busy   bool
	have   int
	answer answer
	buf    [2048]byte
}

// newPacer opens the connections one after the other and warms each of them.
func newPacer(port int, path string, conns int) (*pacer, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	p := &pacer{ep: ep, request: requestFor(port, path), conns: make([]pacedConn, conns), rested: newRing(conns)}
	for i := range p.conns {
		c := &p.conns[i]
		if c.fd, err = dial(port); err != nil {
			return nil, err
		}
		if err := ask(c.fd, p.request, c.buf[:]); err != nil {
			return nil, fmt.Errorf("connection %d: %w", i+1, err)
		}
		if err := unix.SetNonblock(c.fd, true); err != nil {
			return nil, err
		}
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, c.fd, &ev); err != nil {
			return nil, err
		}
		p.rested.push(i)
	}
	return p, nil
}

func requestFor(port int, path string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", path, port)
}

// schedule draws all arrivals in advance, and makes room for what the run will
// note, so that the loop allocates nothing.
func (p *pacer) schedule(rate float64, length time.Duration, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	gap := float64(time.Second) / rate
	for at := random.ExpFloat64() * gap; at < float64(length); at += random.ExpFloat64() * gap {
		p.due = append(p.due, time.Duration(at))
	}
	p.latencies = make([]time.Duration, 0, len(p.due))
	p.lateness = make([]time.Duration, 0, len(p.due))
}

func (p *pacer) loop() error {
	if len(p.due) == 0 {
		return nil
	}
	start := time.Now()
	end := p.due[len(p.due)-1] + pacedPatience
	for {
		now := time.Since(start)
		for p.next < len(p.due) && p.due[p.next] <= now && !p.rested.empty() {
			if err := p.send(p.due[p.next], time.Since(start)); err != nil {
				return err
			}
			p.next++
		}
		if p.next == len(p.due) && p.inFlight == 0 || now > end {
			return nil
		}
		n, e := rawEpollWait(p.ep, p.events[:], int64(p.pause(time.Since(start))))
		if e != 0 && e != unix.EINTR {
			return fmt.Errorf("epoll_pwait2: %w", e)
		}
		if e != 0 {
			continue
		}
		now = time.Since(start)
		for i := range p.events[:n] {
			idx := int(p.events[i].Fd)
			done, err := p.conns[idx].receive()
			if err != nil {
				return err
			}
			if done {
				p.note(idx, now)
			}
		}
	}
}

// pause is how long the loop may wait for answers: until the next request is
// due, unless it could not be sent for want of a connection.
func (p *pacer) pause(now time.Duration) time.Duration {
	if p.next == len(p.due) || p.rested.empty() {
		return 100 * time.Millisecond // to look at the end of patience
	}
	return max(0, p.due[p.next]-now)
}

func (p *pacer) send(due, now time.Duration) error {
	c := &p.conns[p.rested.pop()]
	c.due, c.busy, c.have, c.answer = due, true, 0, answer{}
	if due >= pacedLeadIn {
		// Waiting for a connection is the contestant's doing, not ours.
		p.lateness = append(p.lateness, now-max(due, p.freed))
	}
	if n, e := rawWrite(c.fd, p.request); e != 0 || n != len(p.request) {
		return fmt.Errorf("write: %d bytes, %w", n, e)
	}
	p.inFlight++
	return nil
}

// receive reads what has come and reports whether the answer is complete.
func (c *pacedConn) receive() (bool, error) {
	n, e := rawRead(c.fd, c.buf[c.have:])
	switch {
	case e == unix.EAGAIN || e == unix.EINTR:
		return false, nil
	case e != 0:
		return false, fmt.Errorf("read: %w", e)
	case n == 0:
		return false, errors.New("connection closed under load")
	case !c.busy:
		return false, errors.New("an answer nobody asked for")
	}
	c.have += n
	done, err := c.answer.parse(c.buf[:c.have])
	if err == nil && !done && c.have == len(c.buf) {
		err = fmt.Errorf("answer longer than %d bytes", len(c.buf))
	}
	return done, err
}

func (p *pacer) note(idx int, now time.Duration) {
	c := &p.conns[idx]
	c.busy = false
	if p.rested.empty() {
		p.freed = now
	}
	p.rested.push(idx)
	p.inFlight--
	p.answered++
	if c.due >= pacedLeadIn {
		p.latencies = append(p.latencies, now-c.due)
	}
}

func (p *pacer) result(length time.Duration) pacedResult {
	return pacedResult{
		Requests:    p.answered,
		Unanswered:  len(p.due) - p.answered,
		Seconds:     length.Seconds(),
		P50:         micros(percentile(p.latencies, 50)),
		P99:         micros(percentile(p.latencies, 99)),
		LatenessP99: micros(percentile(p.lateness, 99)),
	}
}

// ring is a first-in-first-out queue of at most its capacity of numbers.
type ring struct {
	slots      []int
	head, used int
}

func newRing(capacity int) ring { return ring{slots: make([]int, capacity)} }

func (r *ring) empty() bool { return r.used == 0 }

func (r *ring) push(v int) {
	r.slots[(r.head+r.used)%len(r.slots)] = v
	r.used++
}

func (r *ring) pop() int {
	v := r.slots[r.head]
	r.head = (r.head + 1) % len(r.slots)
	r.used--
	return v
}

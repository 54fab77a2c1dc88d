package main

// caseResult is everything a case gave, with the verdict.
type caseResult struct {
	benchCase
	Note    string
	Rate    float64 // requests/s of an open loop
	Entries []entry
}

// entry is one contestant in one case.
type entry struct {
	Name   string  `json:"name"`
	Peer   bool    `json:"peer"`
	Rounds []round `json:"rounds"`
	CPU    spread  `json:"cpu_us_per_request"`
	Rate   spread  `json:"requests_per_second"`
	P50    spread  `json:"p50_us"`
	P99    spread  `json:"p99_us"`
	Busy   spread  `json:"processors_busy"`
	Memory spread  `json:"bytes_per_connection"`
}

// add enters a contestant with its rounds.
func (r *caseResult) add(who *contestant, rounds []round) {
	r.Entries = append(r.Entries, entry{
		Name: who.name, Peer: who.peer, Rounds: rounds,
		CPU:    spreadOver(rounds, func(t round) float64 { return t.CPU }),
		Rate:   spreadOver(rounds, func(t round) float64 { return t.Rate }),
		P50:    spreadOver(rounds, func(t round) float64 { return t.P50 }),
		P99:    spreadOver(rounds, func(t round) float64 { return t.P99 }),
		Busy:   spreadOver(rounds, func(t round) float64 { return t.Busy }),
		Memory: spreadOver(rounds, func(t round) float64 { return t.Memory }),
	})
}

// judged is the figure of an entry that the case is judged by.
func (r *caseResult) judged(e entry) spread { return spreadOver(e.Rounds, r.figure.of) }

// bestPeer is the peer with the smallest judged figure.
func (r *caseResult) bestPeer() (entry, bool) {
	var peers []entry
	for _, e := range r.Entries {
		if e.Peer {
			peers = append(peers, e)
		}
	}
	i := least(peers, func(e entry) float64 { return r.judged(e).Median })
	if i < 0 {
		return entry{}, false
	}
	return peers[i], true
}

// bestPeerRate is the highest median rate of a peer, 0 without one.
func (r *caseResult) bestPeerRate() float64 {
	best := 0.0
	for _, e := range r.Entries {
		if e.Peer {
			best = max(best, e.Rate.Median)
		}
	}
	return best
}

// ratioOf compares an entry with the best peer: the ratio of the medians, and
// its range over the rounds, each compared with the same round of that peer.
func (r *caseResult) ratioOf(e entry) (spread, bool) {
	peer, ok := r.bestPeer()
	if !ok || r.judged(peer).Median == 0 {
		return spread{}, false
	}
	var each []float64
	for i := range min(len(e.Rounds), len(peer.Rounds)) {
		each = append(each, ratio(r.figure.of(e.Rounds[i]), r.figure.of(peer.Rounds[i])))
	}
	s := spreadOf(each)
	s.Median = r.judged(e).Median / r.judged(peer).Median
	return s, true
}

// verdict of a case for an entry: whether it passes and whether there was
// anything to judge. Only the contestant that is no peer is judged.
func (r *caseResult) verdict(e entry) (pass, judged bool) {
	if e.Peer || r.trouble(e) {
		return false, false
	}
	if r.limit > 0 {
		return r.judged(e).Median <= r.limit, true
	}
	q, ok := r.ratioOf(e)
	if r.ratio == 0 || !ok {
		return false, false
	}
	return q.Median <= r.ratio, true
}

// trouble reports that some round of the entry had failed requests.
func (r *caseResult) trouble(e entry) bool {
	for _, t := range e.Rounds {
		if t.Errors > 0 {
			return true
		}
	}
	return false
}

// failures counts the rounds with failed requests.
func (r *caseResult) failures() int {
	n := 0
	for _, e := range r.Entries {
		for _, t := range e.Rounds {
			if t.Errors > 0 {
				n++
			}
		}
	}
	return n
}

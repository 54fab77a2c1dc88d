// Command compare plays the corpus of test/gate against this load balancer,
// nginx and HAProxy, and prints for each how many cases end unacceptably.
//
//	go run ./test/gate/compare          # the table
//	go run ./test/gate/compare -v       # and every case that fails, with what was seen
//	go run ./test/gate/compare -case '^chunked/'
//
// Others are held to the RFCs and to their own configuration only: cases and
// assertions that are ELB's or ours are left out, what an RFC leaves open is
// open, and a refusal is one whatever its status. Their configurations are the
// usual ones for a proxy that keeps connections on both sides. A peer that is
// not installed is skipped, and said to be.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/elbow-lb/elbow/test/gate"
)

const lanes = 4

func main() {
	dir := flag.String("testdata", "test/gate/testdata", "`directory` of the cases")
	only := flag.String("case", "", "only cases whose name matches this `regexp`")
	verbose := flag.Bool("v", false, "also print every case that fails")
	flag.Parse()
	if err := compare(*dir, *only, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func compare(dir, only string, verbose bool) error {
	re, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	all, err := gate.Load(dir)
	if err != nil {
		return err
	}
	var cases []*gate.Case
	for _, c := range all {
		if re.MatchString(c.Name) && c.ForOthers() {
			cases = append(cases, c)
		}
	}
	// A load balancer that waits for more, where there is no more, is found out
	// by waiting.
	gate.Patience = 2 * time.Second
	var results []*result
	for _, p := range []struct {
		name string
		play func(dir string, cases []*gate.Case) ([]*gate.Observation, error)
	}{
		{"elbow", playElbow},
		{"nginx", playNginx},
		{"haproxy", playHAProxy},
	} {
		work, err := os.MkdirTemp("", "gate-"+p.name)
		if err != nil {
			return err
		}
		seen, err := p.play(work, cases)
		os.RemoveAll(work)
		if err != nil {
			fmt.Printf("SKIP %s: %v\n", p.name, err)
			continue
		}
		results = append(results, judge(p.name, seen, verbose))
	}
	report(results)
	return nil
}

// result is how one load balancer did.
type result struct {
	name    string
	topics  map[string]*count
	verdict count
}

// count counts cases.
type count struct {
	cases, unacceptable int
	lax                 int // acceptable only because an RFC leaves it open
}

func judge(name string, seen []*gate.Observation, verbose bool) *result {
	r := &result{name: name, topics: map[string]*count{}}
	for _, o := range seen {
		t := r.topics[o.Case.Topic]
		if t == nil {
			t = &count{}
			r.topics[o.Case.Topic] = t
		}
		strict := *o
		strict.Case = o.Case.ForPeer(false)
		wide := *o
		wide.Case = o.Case.ForPeer(true)
		lax := len(gate.Judge(&strict)) > 0
		var problems []string
		if lax {
			problems = gate.Judge(&wide)
		}
		for _, n := range []*count{t, &r.verdict} {
			n.cases++
			switch {
			case len(problems) > 0:
				n.unacceptable++
			case lax:
				n.lax++
			}
		}
		if verbose {
			for _, p := range problems {
				fmt.Printf("%s\t%s\t%s\t%s\n", name, o.Case.Name, o.Case.From, p)
			}
		}
	}
	return r
}

func report(results []*result) {
	if len(results) == 0 {
		return
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "unacceptable (lax: only as an RFC leaves it open)\tcases\t")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t", r.name)
	}
	fmt.Fprintln(w)
	row := func(name string, of func(*result) *count) {
		fmt.Fprintf(w, "%s\t%d\t", name, of(results[0]).cases)
		for _, r := range results {
			n := of(r)
			fmt.Fprintf(w, "%d (%d)\t", n.unacceptable, n.lax)
		}
		fmt.Fprintln(w)
	}
	for _, topic := range slices.Sorted(maps.Keys(results[0].topics)) {
		row(topic, func(r *result) *count { return r.topics[topic] })
	}
	row("all", func(r *result) *count { return &r.verdict })
	w.Flush()
}

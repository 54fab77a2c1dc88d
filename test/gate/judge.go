package gate

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// In returns the case as it is in a mode of desync mitigation: a class that the
// mode blocks is answered 400, and one that it merely notes goes through (the
// action table of the ALB guide, "Desync mitigation mode"). What the gate of RFC
// 9112 refuses is refused in all modes.
func (c *Case) In(mode string) *Case {
	d := *c
	passes := !slices.ContainsFunc(c.Want, Outcome.Refuses)
	switch {
	case mode == "strictest" && c.Tier != Compliant:
		d.Want = []Outcome{{Statuses: [][]int{{400}}, Fate: Closed}}
		d.Sees, d.Has, d.Body, d.Gets, d.Payload, d.Reply, d.Discards = nil, nil, nil, nil, nil, nil, false
	case mode == "monitor" && len(c.Monitor) > 0:
		d.Want, d.Discards = c.Monitor, false
	case mode == "monitor" && c.Tier == Ambiguous && passes:
		d.Want = slices.Clone(c.Want)
		for i := range d.Want {
			d.Want[i].Fate = Known
		}
		d.Discards = c.Reply != nil && c.Discards
	case mode == defaultMode && c.Tier == Ambiguous && passes:
		d.Discards = true
	}
	return &d
}

// ForOthers tells whether others can be held to the case.
func (c *Case) ForOthers() bool { return !c.OnlyElbow && !profiles[c.Profile].OnlyElbow }

// ForPeer returns the case as others are held to it: a refusal is one whatever
// its status, and, if open, what RFC 9110 and 9112 leave open is left open.
func (c *Case) ForPeer(open bool) *Case {
	d := *c
	d.Want = slices.Clone(c.Want)
	if open && len(c.Peer) > 0 {
		d.Want = append(d.Want, c.Peer...)
		// All that is said of the case is said of our way.
		d.Never, d.Discards, d.Sees, d.Has, d.Body, d.Payload = nil, false, nil, nil, nil, nil
	}
	for i, o := range d.Want {
		if !o.Refuses() || o.Cut {
			d.Want[i].Fate = Known
			continue
		}
		// Closing without an answer is a refusal too.
		bare := Outcome{Statuses: o.Statuses[:max(len(o.Statuses)-1, 0)], Fate: Closed}
		d.Want = append(d.Want, bare)
		if n := len(o.Statuses); n > 0 {
			whatever := slices.Clone(o.Statuses)
			whatever[n-1] = refusals
			d.Want[i] = Outcome{Statuses: whatever, Fate: Known}
		}
	}
	d.Tier, d.Reason, d.others = Compliant, "", true
	d.Has = slices.DeleteFunc(slices.Clone(c.Has), func(l string) bool {
		return strings.HasPrefix(strings.ToLower(l), "x-") || strings.HasPrefix(strings.ToLower(l), "host:")
	})
	d.Gets, d.GetsNot, d.Log, d.Ours = nil, nil, nil, nil
	return &d
}

var refusals = func() (all []int) {
	for s := 400; s < 600; s++ {
		all = append(all, s)
	}
	return all
}()

// Got is what came of a case, in the notation of outcomes.
func (o *Observation) Got() string {
	var words []string
	for _, r := range o.Responses {
		words = append(words, fmt.Sprint(r.Status))
		if r.Cut {
			words = append(words, "cut")
		}
	}
	if len(words) == 0 {
		words = append(words, "none")
	}
	return strings.Join(append(words, o.Fate.String()), " ")
}

// matches tells whether the outcome is what was seen.
func (want Outcome) matches(o *Observation) bool {
	if len(want.Statuses) != len(o.Responses) {
		return false
	}
	cut := false
	for i, r := range o.Responses {
		if !slices.Contains(want.Statuses[i], r.Status) {
			return false
		}
		cut = cut || r.Cut
	}
	switch want.Fate {
	case Known:
		return cut == want.Cut && (o.Fate == Kept || o.Fate == Closed)
	default:
		return cut == want.Cut && o.Fate == want.Fate
	}
}

// Judge says everything that is wrong with what was seen; nothing if the case
// is passed.
func Judge(o *Observation) []string {
	if o.Err != nil {
		return []string{o.Err.Error()}
	}
	j := &judge{Observation: o}
	c := o.Case
	if !slices.ContainsFunc(c.Want, func(w Outcome) bool { return w.matches(o) }) {
		var wants []string
		for _, w := range c.Want {
			wants = append(wants, w.String())
		}
		j.add("expected %s; got %s %s", strings.Join(wants, " or "), o.Got(), o.Detail)
	}
	if o.Other != "" {
		j.add("another client afterwards: %s", o.Other)
	}
	for _, f := range slices.Concat(o.Target.faults, o.Target.kept) {
		j.add("%s", f)
	}
	j.requests()
	j.client()
	if o.Logged {
		j.log()
	}
	return j.problems
}

type judge struct {
	*Observation
	problems []string
}

func (j *judge) add(format string, args ...any) {
	j.problems = append(j.problems, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// ofCase are the requests at the target that the case itself made.
func (j *judge) ofCase() []*Request {
	return slices.DeleteFunc(slices.Clone(j.Target.requests), func(r *Request) bool { return r.Own })
}

// requests compares what the target saw with the answers that the client got,
// and with what the case says.
func (j *judge) requests() {
	c := j.Case
	var complete []string
	for _, r := range j.ofCase() {
		if r.Complete {
			complete = append(complete, r.Start)
		} else if j.Fate == Kept {
			j.add("the target never got all of %q, and the connection is kept", r.Start)
		}
	}
	if c.Reply == nil {
		var echoes, want []string
		for _, r := range j.Responses {
			if r.Echo != "" {
				echoes = append(echoes, r.Echo)
			}
		}
		for _, s := range complete {
			want = append(want, echo(s))
		}
		if !slices.Equal(echoes, want) && !c.halfCloses() {
			j.add("the target saw %.300q; the client got answers to %.300q", want, echoes)
		}
	}
	if j.refused() {
		return
	}
	if c.Sees != nil && !slices.Equal(c.Sees, complete) {
		j.add("the target saw %.300q, expected %.300q", complete, c.Sees)
	}
	all := j.ofCase()
	var first Request
	if len(all) > 0 {
		first = *all[0]
	}
	for _, l := range c.Has {
		name, value, _ := strings.Cut(j.expand(l), ": ")
		if got := first.Get(name); len(got) != 1 || got[0] != value {
			j.add("the target got %s %q, expected %q once", name, got, value)
		}
	}
	for _, l := range c.HasNot {
		name, value, _ := strings.Cut(l, ": ")
		if slices.Contains(first.Get(name), value) {
			j.add("the target got %s: %s", name, value)
		}
	}
	for _, name := range slices.Concat(c.Lacks, c.Ours) {
		for _, r := range all {
			got := r.Get(name)
			for _, t := range r.Trailers {
				if strings.EqualFold(t.Name, name) {
					got = append(got, "trailer "+t.Value)
				}
			}
			if len(got) > 0 {
				j.add("the target got %s %q, expected none", name, got)
			}
		}
	}
	if c.Body != nil && string(first.Body) != *c.Body {
		j.add("the target got the body %.200q, expected %.200q", first.Body, *c.Body)
	}
}

// refused tells whether the case was refused where it need not be: then what it
// says of a request that is forwarded does not apply.
func (j *judge) refused() bool {
	return !slices.ContainsFunc(j.Responses, func(r *Response) bool { return r.Status < 400 }) &&
		slices.ContainsFunc(j.Case.Want, func(o Outcome) bool { return !o.Refuses() })
}

// expand puts the client's address for $client.
func (j *judge) expand(l string) string { return strings.ReplaceAll(l, "$client", j.Client.String()) }

func (c *Case) halfCloses() bool {
	return slices.ContainsFunc(c.Steps, func(s Step) bool { return s.End })
}

// client compares what the client got with what the case says.
func (j *judge) client() {
	c := j.Case
	for _, r := range j.Responses {
		if r.Stamp != "" && r.Stamp != j.Stamp {
			j.add("the client got the answer to another case")
		}
	}
	for _, n := range c.Never {
		if bytes.Contains(j.In, []byte(n)) {
			j.add("the client got %q", n)
		}
	}
	if len(j.Responses) == 0 {
		return
	}
	r := j.Responses[0]
	for _, l := range c.Gets {
		name, value, _ := strings.Cut(l, ": ")
		if got := r.Get(name); len(got) != 1 || got[0] != value {
			j.add("the client got %s %q, expected %q once", name, got, value)
		}
	}
	for _, name := range c.GetsNot {
		if got := r.Get(name); len(got) > 0 {
			j.add("the client got %s %q, expected none", name, got)
		}
	}
	if c.Payload != nil && string(r.Body) != *c.Payload {
		j.add("the client got the body %.200q, expected %.200q", r.Body, *c.Payload)
	}
}

// log compares the client's lines in the access log with what the target saw
// and with what the client got.
func (j *judge) log() {
	c := j.Case
	var statuses, got []string
	var sent []map[string]any
	for _, l := range j.Log {
		statuses = append(statuses, text(l["elb_status_code"]))
		if t, ok := l["request_processing_time"].(float64); ok && t >= 0 {
			sent = append(sent, l)
		}
	}
	for _, r := range j.Responses {
		got = append(got, fmt.Sprint(r.Status))
	}
	if j.Fate == Kept {
		got = append(got, "200") // the runner's own request
	}
	if !slices.Equal(statuses, got) && !c.halfCloses() && j.Fate != Lost && j.Fate != Silent {
		j.add("the log has statuses %v, the client got %v", statuses, got)
	}
	seen := slices.DeleteFunc(slices.Clone(j.Target.requests), func(r *Request) bool {
		return r.Own && slices.Contains(r.Get(ownField), "other")
	})
	if c.Reply != nil && len(c.Reply.Bytes) == 0 {
		// A target that closes without an answer may be asked again.
		seen = slices.CompactFunc(seen, func(a, b *Request) bool {
			return a.Start == b.Start && slices.Equal(a.Get("X-Amzn-Trace-Id"), b.Get("X-Amzn-Trace-Id"))
		})
	}
	if len(sent) != len(seen) {
		j.add("SMUGGLED: the target saw %d requests, the log has %d that were sent to it", len(seen), len(sent))
		return
	}
	for i, l := range sent {
		r := seen[i]
		method, rest, _ := strings.Cut(r.Start, " ")
		uri, _, _ := strings.Cut(rest, " ")
		host := first(r.Get("Host"))
		if k := strings.LastIndexByte(host, ':'); k >= 0 && !strings.HasSuffix(host, "]") {
			host = host[:k]
		}
		trace := first(r.Get("X-Amzn-Trace-Id"))
		for _, f := range [...][3]string{
			{"method", method, text(l["request_method"])},
			{"target", uri, text(l["request_uri"])},
			{"host", host, text(l["request_host"])},
			{"trace id", trace, text(l["trace_id"])},
		} {
			// Long fields are cut in the log, and a request of HTTP/1.0 may have
			// no host.
			if f[0] == "host" && f[2] == "" && strings.HasPrefix(text(l["request_protocol"]), "HTTP/1.0") {
				continue
			}
			if f[1] != f[2] && (len(f[2]) < 127 || !strings.HasPrefix(f[1], f[2])) {
				j.add("request %d: the target saw the %s %.200q, the log has %.200q", i+1, f[0], f[1], f[2])
			}
		}
	}
	j.firstLine()
}

// firstLine compares the first line of the log with what the case says.
func (j *judge) firstLine() {
	c := j.Case
	line := map[string]any{}
	if len(j.Log) > 0 {
		line = j.Log[0]
	}
	if j.refused() {
		return
	}
	for _, l := range c.Log {
		name, want, _ := strings.Cut(j.expand(l), "=")
		if got := text(line[name]); got != want {
			j.add("the log has %s %q, expected %q", name, got, want)
		}
	}
	if c.Tier != Compliant {
		if got := text(line["classification"]) + " " + text(line["classification_reason"]); got != c.Tier+" "+c.Reason {
			j.add("the log has the class %q, expected %q", got, c.Tier+" "+c.Reason)
		}
	} else if got := text(line["classification"]); got != "" && !c.others && !slices.ContainsFunc(c.Want, Outcome.Refuses) {
		j.add("the log has the class %q, expected none", got)
	}
}

// text is a value of a log line as text; "" for null.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprint(v)
}

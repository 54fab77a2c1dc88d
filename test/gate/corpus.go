package gate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Case is one case of the corpus. The notation is in README.md.
type Case struct {
	Topic string // the file's name without its ending
	Name  string // topic/name, unique
	Where string // file:line

	From    string // the section of an RFC, or the class of attack
	Profile string // the name of the configuration: see Profile

	// Tier and Reason are the class of the request in desync mitigation. A
	// case without is Compliant.
	Tier, Reason string

	// OnlyElbow marks what is our own or ELB's: other load balancers are not
	// held to it.
	OnlyElbow bool

	Steps   []Step
	Reply   *Reply // nil: the target answers with what it saw
	Methods []string

	// Want are the outcomes acceptable in mode defensive. Monitor, if not
	// empty, replaces it in mode monitor. Peer are further ones that the RFCs
	// leave open to others and that we do not use: where it is not empty, we
	// are the stricter ones.
	Want, Monitor, Peer []Outcome

	// Assertions of what goes on besides; each holds for a Want outcome.
	Sees     []string // the request lines that the target sees
	Has      []string // "Name: value" lines of the first request at the target
	HasNot   []string // "Name: value" lines that the first request has not
	Lacks    []string // names that no request at the target has
	Ours     []string // likewise, where it is our choice and not the RFC's
	Body     *string  // of the first request at the target
	Gets     []string // "Name: value" lines of the client's first final response
	GetsNot  []string // names that it has not
	Payload  *string  // the body of the client's first final response
	Never    []string // what the client never gets
	Log      []string // FIELD=VALUE of the first line in the access log
	Discards bool     // the target connections that carried the case are closed, and never used again

	others bool // it is as others are held to it
}

// Step is one thing that a client does: send bytes, wait for a response, or end
// its side of the connection.
type Step struct {
	Send  []byte
	Await bool // read one response, interim ones included
	End   bool // half-close
}

// Reply is what the target sends in place of its normal answer.
type Reply struct {
	Bytes []byte
	Early bool // as soon as a head has come
	Close bool // and closes
}

// Outcome is one acceptable way for a case to end.
type Outcome struct {
	Statuses [][]int // per final response, the statuses that it may have
	Cut      bool    // the last response breaks off
	Fate     Fate
}

// Fate is what became of the client's connection.
type Fate uint8

const (
	Known Fate = iota // kept or closed
	Kept
	Closed
	Lost   // in no known state: the next request got another's answer
	Silent // nothing came for as long as the runner waits
)

func (f Fate) String() string {
	return [...]string{"known", "keep", "close", "LOST", "SILENT"}[f]
}

func (o Outcome) String() string {
	var words []string
	for _, alt := range o.Statuses {
		if len(alt) == len(refusals) {
			words = append(words, "4xx|5xx")
			continue
		}
		words = append(words, strings.Trim(strings.ReplaceAll(fmt.Sprint(alt), " ", "|"), "[]"))
	}
	if len(words) == 0 {
		words = append(words, "none")
	}
	if o.Cut {
		words = append(words, "cut")
	}
	return strings.Join(append(words, o.Fate.String()), " ")
}

// Refuses tells of an outcome whose last response is a refusal.
func (o Outcome) Refuses() bool {
	return len(o.Statuses) == 0 || o.Statuses[len(o.Statuses)-1][0] >= 400
}

// Load reads all files of the directory, sorted by name.
func Load(dir string) ([]*Case, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no cases in %s", dir)
	}
	slices.Sort(files)
	var all []*Case
	seen := map[string]string{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		cases, err := Parse(filepath.Base(f), string(data))
		if err != nil {
			return nil, err
		}
		for _, c := range cases {
			if other := seen[c.Name]; other != "" {
				return nil, fmt.Errorf("%s: %s is at %s already", c.Where, c.Name, other)
			}
			seen[c.Name] = c.Where
		}
		all = append(all, cases...)
	}
	return all, nil
}

// block is a case as it stands in the file.
type block struct {
	name  string
	line  int
	lines []numbered
	each  []numbered
}

type numbered struct {
	line int
	text string
}

// Parse reads the cases in one file.
func Parse(file, text string) ([]*Case, error) {
	var blocks []*block
	for i, line := range strings.Split(text, "\n") {
		fail := func(format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s", file, i+1, fmt.Sprintf(format, args...))
		}
		if strings.HasSuffix(line, " ") || strings.HasSuffix(line, "\t") {
			return nil, fail("white space at the end of the line: write \\x20 or \\t")
		}
		line = strings.TrimLeft(line, " ")
		if line == "" || line[0] == '#' {
			continue
		}
		if name, ok := strings.CutPrefix(line, "case "); ok {
			blocks = append(blocks, &block{name: name, line: i + 1})
			continue
		}
		if len(blocks) == 0 {
			return nil, fail("before the first case")
		}
		b := blocks[len(blocks)-1]
		if rest, ok := strings.CutPrefix(line, "each "); ok {
			b.each = append(b.each, numbered{i + 1, rest})
			continue
		}
		b.lines = append(b.lines, numbered{i + 1, line})
	}
	topic := strings.TrimSuffix(file, ".txt")
	var out []*Case
	for _, b := range blocks {
		variants := b.each
		if len(variants) == 0 {
			variants = []numbered{{b.line, ""}}
		}
		for _, v := range variants {
			c := &Case{Topic: topic, Name: topic + "/" + b.name, Where: fmt.Sprintf("%s:%d", file, v.line), Profile: "plain"}
			name, value, _ := strings.Cut(v.text, " ")
			if name != "" {
				c.Name += "/" + name
			}
			for _, l := range b.lines {
				line := l.text
				if name != "" {
					line = strings.ReplaceAll(line, "$1", value)
				}
				if err := c.take(line); err != nil {
					return nil, fmt.Errorf("%s:%d: %s: %w", file, l.line, c.Name, err)
				}
			}
			if err := c.check(); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", c.Where, c.Name, err)
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// take takes in one line of a case.
func (c *Case) take(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case ">", ">-":
		b, err := unescape(rest)
		if err != nil {
			return err
		}
		if word == ">" {
			b = append(b, "\r\n"...)
		}
		if n := len(c.Steps); n > 0 && c.Steps[n-1].Send != nil {
			c.Steps[n-1].Send = append(c.Steps[n-1].Send, b...)
		} else {
			c.Steps = append(c.Steps, Step{Send: b})
		}
	case "await":
		c.Steps = append(c.Steps, Step{Await: true})
	case "half-close":
		c.Steps = append(c.Steps, Step{End: true})
	case "<", "<-", "<early", "<close":
		if c.Reply == nil {
			c.Reply = &Reply{}
		}
		switch word {
		case "<early":
			c.Reply.Early = true
			return nil
		case "<close":
			c.Reply.Close = true
			return nil
		}
		b, err := unescape(rest)
		if err != nil {
			return err
		}
		c.Reply.Bytes = append(c.Reply.Bytes, b...)
		if word == "<" {
			c.Reply.Bytes = append(c.Reply.Bytes, "\r\n"...)
		}
	case "=", "monitor", "peer":
		o, err := parseOutcome(rest)
		if err != nil {
			return err
		}
		list := map[string]*[]Outcome{"=": &c.Want, "monitor": &c.Monitor, "peer": &c.Peer}[word]
		*list = append(*list, o)
	case "from":
		c.From = rest
	case "with":
		c.Profile = rest
	case "class":
		c.Tier, c.Reason, _ = strings.Cut(rest, " ")
	case "only":
		if rest != "elbow" {
			return errors.New("want: only elbow")
		}
		c.OnlyElbow = true
	case "methods":
		c.Methods = strings.Fields(rest)
	case "discards":
		c.Discards = true
	default:
		return c.assert(word, rest)
	}
	return nil
}

// assert takes in one of the assertions.
func (c *Case) assert(word, rest string) error {
	list := map[string]*[]string{
		"sees": &c.Sees, "has": &c.Has, "has-not": &c.HasNot, "lacks": &c.Lacks, "lacks-ours": &c.Ours,
		"gets": &c.Gets, "gets-not": &c.GetsNot,
		"never": &c.Never, "log": &c.Log,
	}[word]
	text := map[string]**string{"body": &c.Body, "payload": &c.Payload}[word]
	if list == nil && text == nil {
		return fmt.Errorf("unknown: %s", word)
	}
	b, err := unescape(rest)
	if err != nil {
		return err
	}
	s := string(b)
	if text != nil {
		*text = &s
	} else {
		*list = append(*list, s)
	}
	return nil
}

// parseOutcome reads "400|501 close", "200 200 keep", "200 cut close", "none
// close".
func parseOutcome(s string) (o Outcome, err error) {
	for _, w := range strings.Fields(s) {
		switch w {
		case "keep":
			o.Fate = Kept
		case "close":
			o.Fate = Closed
		case "any":
			o.Fate = Known
		case "cut":
			o.Cut = true
		case "none":
		default:
			var alt []int
			for _, a := range strings.Split(w, "|") {
				var n int
				if _, err := fmt.Sscanf(a, "%d", &n); err != nil || n < 200 || n > 599 {
					return o, fmt.Errorf("%s is no status", a)
				}
				alt = append(alt, n)
			}
			o.Statuses = append(o.Statuses, alt)
		}
	}
	return o, nil
}

// Tiers of desync mitigation, from what is allowed everywhere to what is
// refused in all modes but monitor.
const (
	Compliant  = "Compliant"
	Acceptable = "Acceptable"
	Ambiguous  = "Ambiguous"
	Severe     = "Severe"
)

func (c *Case) check() error {
	if c.Tier == "" {
		c.Tier = Compliant
	}
	switch {
	case c.From == "":
		return errors.New("it has no from")
	case len(c.Steps) == 0:
		return errors.New("it sends nothing")
	case len(c.Want) == 0:
		return errors.New("it has no outcome")
	case !slices.Contains([]string{Compliant, Acceptable, Ambiguous, Severe}, c.Tier):
		return fmt.Errorf("%s is no tier", c.Tier)
	case c.Tier != Compliant && c.Reason == "":
		return errors.New("its class has no reason")
	case profiles[c.Profile] == nil:
		return fmt.Errorf("there is no configuration %s", c.Profile)
	}
	for _, l := range slices.Concat(c.Has, c.HasNot, c.Gets) {
		if !strings.Contains(l, ": ") {
			return fmt.Errorf("%q: want Name: value", l)
		}
	}
	return nil
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/elbow-lb/elbow/api/admin"
	"github.com/elbow-lb/elbow/balancer"
	"github.com/elbow-lb/elbow/config"
	"github.com/elbow-lb/elbow/listener/application"
)

func newExplain() *cobra.Command {
	var a ask
	var path, output string
	var q application.Question
	cmd := &cobra.Command{
		Use:   "explain 'METHOD URL'",
		Short: "Say which listener, rule, target group and targets would serve a request",
		Long: `Say what would become of a request, and why: the listener that it comes in by, each
rule up to the one that matches with what its conditions want and what the request
has, the action, and for a forward action the target groups with their weights and
the targets that may be picked. The request is not sent.

With --config the answer is for that file, as if every target were new; without it
the running daemon is asked, which knows their health.

Exit codes: 0 also if the request would be refused, 2 if it is no request or nothing
listens for it, 3 if the configuration is wrong, 5 if no daemon answers, 6 if it takes
longer than --timeout.`,
		Example: `  elbow explain 'GET http://shop.example.com/cart?id=1'
  elbow explain --config new.yaml 'POST http://example.com:8080/' -H 'X-Version: 2'
  elbow explain http://example.com/ --source 203.0.113.7 -o json | jq .target_groups`,
		Args: func(cmd *cobra.Command, args []string) error {
			words := strings.Fields(strings.Join(args, " "))
			switch len(words) {
			case 1:
				q.Method, q.URL = "GET", words[0]
			case 2:
				q.Method, q.URL = words[0], words[1]
			default:
				return fmt.Errorf("%s takes a request such as 'GET http://example.com/path'", cmd.CommandPath())
			}
			return nil
		},
		RunE: action(func(cmd *cobra.Command) error {
			if output != "text" && output != "json" {
				return failf(exitUsage, "--output must be text or json, not %q", output)
			}
			var e *application.Explanation
			var err error
			if path != "" {
				e, err = explainFile(cmd, path, &q)
			} else {
				e, err = explainLive(&a, &q)
			}
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if output == "json" {
				enc := json.NewEncoder(w)
				enc.SetEscapeHTML(false)
				enc.SetIndent("", "  ")
				return enc.Encode(e)
			}
			_, err = io.WriteString(w, explanation(e, colours(cmd, w)))
			return err
		}),
	}
	f := cmd.Flags()
	f.StringVarP(&path, "config", "c", "", "configuration `file` to answer from; without it the daemon answers")
	f.StringArrayVarP(&q.Headers, "header", "H", nil, "`header` of the request, as 'Name: value'; may be repeated")
	f.StringVar(&q.Source, "source", "", "`address` of the client, as source-ip conditions see it (default 127.0.0.1)")
	f.StringVar(&q.Address, "address", "", "`address` that the client connects to, where listeners share a port")
	f.StringVarP(&output, "output", "o", "text", "`form`: text or json")
	cmd.MarkFlagFilename("config", "yaml", "yml", "json")
	cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	a.flags(cmd, 10*time.Second)
	return cmd
}

// explainLive asks the daemon.
func explainLive(a *ask, q *application.Question) (*application.Explanation, error) {
	client, ctx, cancel := a.client()
	defer cancel()
	e, err := client.Explain(ctx, q)
	var f *admin.Failure
	switch {
	case errors.As(err, &f) && f.Reason == admin.ReasonBadQuestion:
		return nil, failf(exitUsage, "%w", err)
	case err != nil:
		return nil, a.explain(err)
	}
	return e, nil
}

// explainFile answers from a configuration that nobody runs.
func explainFile(cmd *cobra.Command, path string, q *application.Question) (*application.Explanation, error) {
	w := cmd.ErrOrStderr()
	m, diags := config.Read(path, os.LookupEnv)
	if m == nil {
		return nil, invalid(w, colours(cmd, w), path, diags)
	}
	names := 0
	s := balancer.Compile(m, nil, balancer.Env{
		NewTargetState: func(balancer.Key, *config.TargetGroup, *config.Target) *balancer.TargetState {
			return new(balancer.TargetState)
		},
		// A name stands for one target, whatever it resolves to where the daemon runs.
		Resolve: func(string) []netip.Addr {
			names++
			return []netip.Addr{netip.AddrFrom4([4]byte{0, byte(names >> 16), byte(names >> 8), byte(names)})}
		},
	})
	e, err := application.Explain(s, q)
	if err != nil {
		return nil, failf(exitUsage, "%w", err)
	}
	e.Generation = 0
	for _, g := range e.TargetGroups {
		for i := range g.Targets {
			t := &g.Targets[i]
			if a, err := netip.ParseAddrPort(t.Address); err == nil && a.Addr().Is4() && a.Addr().As4()[0] == 0 {
				t.Address = fmt.Sprintf("%s:%d", t.ID, a.Port())
			}
		}
	}
	return e, nil
}

// explanation shows an explanation to a person.
func explanation(e *application.Explanation, colour bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s of load balancer %s", paint(colour, bold, "listener"), e.Listener, e.LoadBalancer)
	if e.Zone != "" {
		fmt.Fprintf(&b, ", zone %s", e.Zone)
	}
	fmt.Fprintf(&b, "\n%s   host %s, path %s\n", paint(colour, bold, "request"), e.Host, e.Path)
	for _, r := range e.Rules {
		verdict, hue := "does not match", faint
		if r.Matches {
			verdict, hue = "matches", green
		}
		fmt.Fprintf(&b, "%s  %s  (%s)\n", paint(colour, bold, fmt.Sprintf("rule %d", r.Priority)), paint(colour, hue, verdict), r.Position)
		t := newTable("", "", "")
		for _, c := range r.Conditions {
			mark, hue := "  no ", red
			if c.Holds {
				mark, hue = "  yes", green
			}
			got := c.Got
			if got == "" {
				got = "nothing"
			}
			t.add(cell{mark, hue}, cell{text: c.Field + ": " + c.Wants}, cell{"got " + got, faint})
		}
		writeRows(&b, t, colour)
	}
	if e.Refused != nil {
		detail := ""
		if e.Refused.Detail != "" {
			detail = " (" + e.Refused.Detail + ")"
		}
		fmt.Fprintf(&b, "%s  %d %s%s\n", paint(colour, red, "refused"), e.Refused.Status, e.Refused.Reason, detail)
		return b.String()
	}
	by := "the default actions"
	if e.Priority > 0 {
		by = fmt.Sprintf("rule %d", e.Priority)
	}
	fmt.Fprintf(&b, "%s    %s by %s", paint(colour, bold, "action"), e.Action, by)
	switch {
	case e.Location != "":
		fmt.Fprintf(&b, ": %d %s", e.Status, e.Location)
	case e.Status != 0:
		fmt.Fprintf(&b, ": %d", e.Status)
	}
	b.WriteByte('\n')
	if e.TransformedHost != "" {
		fmt.Fprintf(&b, "           host becomes %s\n", e.TransformedHost)
	}
	if e.TransformedURI != "" {
		fmt.Fprintf(&b, "           URI becomes %s\n", e.TransformedURI)
	}
	for _, g := range e.TargetGroups {
		writeGroupVerdict(&b, e, g, colour)
	}
	return b.String()
}

func writeGroupVerdict(b *strings.Builder, e *application.Explanation, g application.GroupVerdict, colour bool) {
	fmt.Fprintf(b, "%s %s", paint(colour, bold, "target group"), g.Name)
	if len(e.TargetGroups) > 1 {
		fmt.Fprintf(b, ", weight %d (%.3g %%)", g.Weight, 100*g.Share)
	}
	fmt.Fprintf(b, ", %s", g.Algorithm)
	if g.Sticky {
		b.WriteString(", sticky: a client's cookie decides first")
	}
	live := e.Generation > 0
	if g.FailOpen && live {
		b.WriteString(paint(colour, red, "; fail-open: none is healthy, so all are used"))
	}
	b.WriteByte('\n')
	if !slices.ContainsFunc(g.Targets, func(t application.TargetVerdict) bool { return t.Eligible }) {
		b.WriteString("  " + paint(colour, red, "no target: 503 NoTarget") + "\n")
	}
	t := newTable("", "", "", "", "")
	for _, x := range g.Targets {
		mark, hue, state := "  eligible", green, x.State
		if !x.Eligible {
			mark, hue = "  not eligible", red
		}
		if !live {
			state = ""
		}
		t.add(cell{mark, hue}, cell{text: x.ID}, cell{text: x.Address}, cell{text: x.Zone}, cell{state, stateColour(state)})
	}
	writeRows(b, t, colour)
}

// writeRows writes a table that has no heading.
func writeRows(b *strings.Builder, t *table, colour bool) {
	var rows strings.Builder
	t.write(&rows, colour)
	b.WriteString(strings.TrimPrefix(rows.String(), "\n"))
}

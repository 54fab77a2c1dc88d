package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/elbow-lb/elbow/internal/control"
)

func newStatus() *cobra.Command {
	var a ask
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show listeners, target groups and the health of every target",
		Long: `Ask the running daemon for its state: which configuration is in force and how the
last reload ended, where it listens, and the health of every target. States,
reasons and their descriptions are those of ELB's DescribeTargetHealth.

  initial      registered, the first health check is under way
  healthy      takes requests
  unhealthy    takes none, unless no target of its group is healthy (fail-open)
  draining     takes none any more, finishes those it has
  unused       no listener uses its group
  unavailable  health checks are off

Exit codes: 0, 5 if no daemon answers, 6 if it takes longer than --timeout.`,
		Example: `  elbow status
  elbow status -o json | jq '.target_groups[].targets[] | select(.state != "healthy")'`,
		Args: noArgs,
		RunE: action(func(cmd *cobra.Command) error {
			if output != "table" && output != "json" {
				return failf(exitUsage, "--output must be table or json, not %q", output)
			}
			client, ctx, cancel := a.client()
			defer cancel()
			s, raw, err := client.Status(ctx)
			if err != nil {
				return a.explain(err)
			}
			w := cmd.OutOrStdout()
			if output == "json" { // all of it, also what this version does not know
				_, err := w.Write(raw)
				return err
			}
			return writeStatus(w, s, time.Now(), colours(cmd, w))
		}),
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "`form`: table or json")
	cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	a.flags(cmd, 10*time.Second)
	return cmd
}

// writeStatus shows a status to a person.
func writeStatus(w io.Writer, s control.Status, now time.Time, colour bool) error {
	var b strings.Builder
	state, hue := "ready", green
	switch {
	case s.Draining:
		state, hue = "draining", yellow
	case !s.Ready:
		state, hue = "starting", yellow
	}
	fmt.Fprintf(&b, "elbow %s  %s, up %s, %s\n", s.Version,
		paint(colour, hue, state), ago(now, s.Started), count(s.Connections, "connection"))
	writeConfig(&b, s.Config, now, colour)

	listeners := newTable("LOAD BALANCER", "TYPE", "LISTENER", "ADDRESSES", ">RULES")
	for _, lb := range s.LoadBalancers {
		for _, l := range lb.Listeners {
			var addrs []string
			for _, a := range l.Addresses {
				addrs = append(addrs, a.String())
			}
			listeners.add(cell{text: lb.Name}, cell{text: lb.Type}, cell{text: fmt.Sprintf("%s:%d", l.Protocol, l.Port)},
				cell{text: strings.Join(addrs, " ")}, cell{text: strconv.Itoa(l.Rules)})
		}
	}
	if len(listeners.rows) > 1 {
		b.WriteByte('\n')
		listeners.write(&b, colour)
	}
	var targets []*table
	for _, g := range s.TargetGroups {
		targets = append(targets, targetTable(g))
	}
	align(targets)
	for i, g := range s.TargetGroups {
		writeGroup(&b, g, targets[i], colour)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeConfig shows the configuration's lines.
func writeConfig(b *strings.Builder, c control.ConfigStatus, now time.Time, colour bool) {
	if c.Generation > 0 {
		fmt.Fprintf(b, "configuration  generation %d, applied %s ago, %s\n", c.Generation, ago(now, c.Applied), shortHash(c.Hash))
	}
	if c.LastOK || c.LastError == "" {
		return
	}
	stays := ""
	if c.Generation > 0 {
		stays = fmt.Sprintf("; generation %d stays in force", c.Generation)
	}
	fmt.Fprintf(b, "last reload    %s %s ago%s:\n", paint(colour, red, "REJECTED"), ago(now, c.LastAttempt), stays)
	for line := range strings.Lines(c.LastError) {
		fmt.Fprintf(b, "  %s\n", strings.TrimSuffix(line, "\n"))
	}
}

// writeGroup shows a target group with the table of its targets.
func writeGroup(b *strings.Builder, g control.TargetGroupStatus, targets *table, colour bool) {
	fmt.Fprintf(b, "\n%s  %s, %s, %d of %s healthy", paint(colour, bold, "target group "+g.Name),
		g.Protocol, g.Algorithm, g.Healthy, count(len(g.Targets)-g.Draining, "target"))
	if g.Draining > 0 {
		fmt.Fprintf(b, ", %d draining", g.Draining)
	}
	if g.FailOpen {
		b.WriteString(paint(colour, red, "; fail-open: too few are healthy, so all are used"))
	}
	if g.Anomalous > 0 {
		b.WriteString(paint(colour, yellow, fmt.Sprintf("; %d anomalous", g.Anomalous)))
	}
	b.WriteByte('\n')
	if len(g.Targets) > 0 {
		targets.write(b, colour)
	}
}

// targetTable is the table of a group's targets.
func targetTable(g control.TargetGroupStatus) *table {
	t := newTable("TARGET", "ADDRESS", "ZONE", "STATE", ">OUTSTANDING", ">IDLE", "REASON", "")
	for _, x := range g.Targets {
		t.add(cell{text: x.ID}, cell{text: x.Address.String()}, cell{text: x.Zone}, cell{x.State, stateColour(x.State)},
			cell{text: strconv.FormatInt(x.Outstanding, 10)}, cell{text: strconv.Itoa(x.Idle)},
			cell{text: x.Reason}, cell{x.Description, faint})
	}
	return t
}

// stateColour is how a target's state looks.
func stateColour(state string) string {
	switch state {
	case "healthy":
		return green
	case "unhealthy":
		return red
	case "initial", "draining":
		return yellow
	}
	return faint
}

// ago is a duration as people say it: the two largest units.
func ago(now, then time.Time) string {
	d := max(0, now.Sub(then)).Truncate(time.Second)
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return d.String()
}

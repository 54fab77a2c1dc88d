package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/elbow-lb/elbow/config"
)

func newValidate() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "validate --config FILE",
		Short: "Check a configuration and show everything that is wrong with it",
		Long: `Check a configuration, with all that it includes, and show everything that is
wrong with it at once: where, what, what is allowed instead, and what may have
been meant. Nothing is started and no daemon is asked. The environment variables
that it uses must be set as they will be for the daemon.

Exit codes: 0 if it is right, 3 if it is wrong.`,
		Example: `  elbow validate --config elbow.yaml
  elbow validate -c new.yaml && mv new.yaml elbow.yaml    the daemon takes it up`,
		Args: noArgs,
		RunE: action(func(cmd *cobra.Command) error {
			w := cmd.ErrOrStderr()
			m, diags := config.Read(path, os.LookupEnv)
			if m == nil {
				return invalid(w, colours(cmd, w), path, diags)
			}
			if err := warn(w, colours(cmd, w), m.Warnings); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n  %s\n", path, contents(m))
			return err
		}),
	}
	configFlag(cmd, &path)
	return cmd
}

// invalid shows what is wrong with a configuration and returns the error that
// ends the process for it.
func invalid(w io.Writer, colour bool, path string, diags config.Diagnostics) error {
	if err := diags.Render(w, colour); err != nil {
		return err
	}
	return failf(exitConfig, "%s: %s", path, count(len(diags), "error"))
}

// warn shows the warnings of a configuration.
func warn(w io.Writer, colour bool, warnings []config.Diagnostic) error {
	all := make(config.Diagnostics, len(warnings))
	for i, d := range warnings {
		d.Message = "warning: " + d.Message
		all[i] = d
	}
	return all.Render(w, colour)
}

// contents says how much of what is in a configuration.
func contents(m *config.Model) string {
	listeners, rules, targets := 0, 0, 0
	for _, lb := range m.LoadBalancers {
		listeners += len(lb.Listeners)
		for _, l := range lb.Listeners {
			rules += len(l.Rules)
		}
	}
	for _, g := range m.TargetGroups {
		targets += len(g.Targets)
	}
	parts := []string{
		count(len(m.LoadBalancers), "load balancer"), count(listeners, "listener"), count(rules, "rule"),
		count(len(m.TargetGroups), "target group"), count(targets, "target"),
	}
	if n := len(m.Warnings); n > 0 {
		parts = append(parts, count(n, "warning"))
	}
	return strings.Join(parts, ", ")
}

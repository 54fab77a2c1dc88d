package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/elbow-lb/elbow/api/admin"
	"github.com/elbow-lb/elbow/internal/control"
)

func newTarget() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "target",
		Short: "Register, deregister or drain a target of the running daemon",
		Long: `Take a target of the running daemon out of its group, put one in, and see what was
done so. It holds against the configuration: no reload undoes it, nor a restart
where the daemon has a state directory (STATE_DIRECTORY, which systemd sets).

  elbow target register GROUP ID[:PORT]    add a target, or put one back
  elbow target deregister GROUP ID[:PORT]  take it out: it drains, and is gone
  elbow target drain GROUP ID[:PORT]       the same, but status goes on showing it
  elbow target overrides                   what is in force; --clear takes it back

A target that is taken out gets no new requests at once. It may finish what it has
begun within deregistration_delay.timeout_seconds; then the rest is cut. Registering
it again before that cancels it. Without a port, all targets with the id are meant,
or for one that is added the port of the group.

Every command shows the overrides then in force, with -o json as the admin API has
them. A target that is added may be given a --zone.

ID is an address or a DNS name, as in the configuration; an IPv6 address with a port
is written [2001:db8::1]:8080.

Exit codes: 0; 1 if the daemon cannot keep it, or is about to end; 2 if there is no
such target, target group or zone; 5 if no daemon answers; 6 if it takes longer than
--timeout.`,
		Example: `  elbow target drain web 10.0.0.11
  elbow target register web 10.0.0.11
  elbow target overrides --clear`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return fmt.Errorf("%s needs a command: register, deregister, drain or overrides", cmd.CommandPath())
		},
	}
	cmd.AddCommand(
		newTargetAction(control.RegisterTarget, "Add a target to a group, or put one back that was taken out"),
		newTargetAction(control.DeregisterTarget, "Take a target out of its group: it drains, and is gone"),
		newTargetAction(control.DrainTarget, "Take a target out of its group, but go on showing it as draining"),
		newTargetOverrides(),
	)
	return cmd
}

func newTargetAction(do control.TargetAction, short string) *cobra.Command {
	var a ask
	var output, zone string
	cmd := &cobra.Command{
		Use:   string(do) + " GROUP ID[:PORT]",
		Short: short,
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := targetRef(args)
			if err != nil {
				return err
			}
			ref.Zone = zone
			return coded(showOverrides(cmd, &a, output, func(ctx context.Context, client *admin.Client) (control.Overrides, []byte, error) {
				return client.OverrideTarget(ctx, do, ref)
			}))
		},
	}
	if do == control.RegisterTarget {
		cmd.Flags().StringVar(&zone, "zone", "", "`name` of the zone that a target which is added is in")
	}
	outputFlag(cmd, &output)
	a.flags(cmd, 10*time.Second)
	return cmd
}

func newTargetOverrides() *cobra.Command {
	var a ask
	var output string
	var clearing bool
	cmd := &cobra.Command{
		Use:   "overrides [GROUP ID[:PORT]]",
		Short: "Show what was done with targets against the configuration, or take it back",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 0 && (len(args) != 2 || !clearing) {
				return fmt.Errorf("%s takes no arguments, or with --clear GROUP ID[:PORT]", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var ref *control.TargetRef
			if len(args) > 0 {
				r, err := targetRef(args)
				if err != nil {
					return err
				}
				ref = &r
			}
			return coded(showOverrides(cmd, &a, output, func(ctx context.Context, client *admin.Client) (control.Overrides, []byte, error) {
				if clearing {
					return client.ClearOverrides(ctx, ref)
				}
				return client.Overrides(ctx)
			}))
		},
	}
	cmd.Flags().BoolVar(&clearing, "clear", false, "take back those of the target, or all")
	outputFlag(cmd, &output)
	a.flags(cmd, 10*time.Second)
	return cmd
}

func outputFlag(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "table", "`form`: table or json")
	cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// targetRef reads GROUP and ID[:PORT].
func targetRef(args []string) (control.TargetRef, error) {
	ref := control.TargetRef{TargetGroup: args[0], ID: args[1]}
	if _, err := netip.ParseAddr(ref.ID); err == nil || !strings.Contains(ref.ID, ":") {
		return ref, nil
	}
	id, port, err := net.SplitHostPort(ref.ID)
	if err != nil {
		return ref, fmt.Errorf("target %q: %w", args[1], err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return ref, fmt.Errorf("target %q: the port must be a number from 1 to 65535", args[1])
	}
	ref.ID, ref.Port = id, uint16(n)
	return ref, nil
}

// showOverrides asks the daemon and shows the overrides then in force.
func showOverrides(cmd *cobra.Command, a *ask, output string, do func(context.Context, *admin.Client) (control.Overrides, []byte, error)) error {
	if output != "table" && output != "json" {
		return failf(exitUsage, "--output must be table or json, not %q", output)
	}
	client, ctx, cancel := a.client()
	defer cancel()
	o, raw, err := do(ctx, client)
	var f *admin.Failure
	switch {
	case errors.As(err, &f) && (f.Reason == admin.ReasonUnknownTarget || f.Reason == admin.ReasonInvalidRequest):
		return failf(exitUsage, "%w", f)
	case err != nil:
		return a.explain(err)
	}
	w := cmd.OutOrStdout()
	if output == "json" {
		_, err := w.Write(raw)
		return err
	}
	if err := writeOverrides(w, o, time.Now(), colours(cmd, w)); err != nil {
		return err
	}
	if o.File == "" && len(o.Targets) > 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "elbow: the daemon has no state directory: a restart forgets these")
	}
	return nil
}

func writeOverrides(w io.Writer, o control.Overrides, now time.Time, colour bool) error {
	if len(o.Targets) == 0 {
		_, err := fmt.Fprintln(w, "no overrides: targets are those of the configuration")
		return err
	}
	t := newTable("TARGET GROUP", "TARGET", ">PORT", "ZONE", "ACTION", ">SINCE")
	for _, x := range o.Targets {
		t.add(cell{text: x.TargetGroup}, cell{text: x.ID}, cell{text: strconv.Itoa(int(x.Port))}, cell{text: x.Zone},
			cell{text: string(x.Action)}, cell{text: ago(now, x.Since) + " ago"})
	}
	return t.write(w, colour)
}

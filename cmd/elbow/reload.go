package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/elbow-lb/elbow/api/admin"
)

func newReload() *cobra.Command {
	var a ask
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make the running daemon read its configuration, and wait until it is in force",
		Long: `Make the running daemon read its configuration again, and wait until it is in
force. The daemon also does so by itself a moment after the file was written; this
command is for scripts that must know how it went.

A reload is all or nothing. When the configuration is rejected nothing changes,
and every error is shown.

Exit codes: 0 when it is in force; 1 if the daemon is about to end; 3 if it is
wrong, or a file that it names cannot be opened; 4 if an address cannot be bound, or
permission is missing; 5 if no daemon answers; 6 if it takes longer than --timeout.`,
		Example: `  elbow reload
  elbow validate -c new.yaml && mv new.yaml /etc/elbow/elbow.yaml && elbow reload`,
		Args: noArgs,
		RunE: action(func(cmd *cobra.Command) error {
			client, ctx, cancel := a.client()
			defer cancel()
			done, err := client.Reload(ctx)
			var f *admin.Failure
			if errors.As(err, &f) {
				return rejected(cmd, f)
			}
			if err != nil {
				return a.explain(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "generation %d is in force (%s)\n", done.Generation, shortHash(done.Hash))
			return nil
		}),
	}
	a.flags(cmd, 30*time.Second)
	return cmd
}

// rejected shows why a reload was.
func rejected(cmd *cobra.Command, f *admin.Failure) error {
	switch f.Reason {
	case admin.ReasonInvalidConfiguration:
		w := cmd.ErrOrStderr()
		if err := f.Config().Render(w, colours(cmd, w)); err != nil {
			return err
		}
		return failf(exitConfig, "rejected: %s; the configuration in force stays", count(len(f.Diagnostics), "error"))
	case admin.ReasonCannotBind, admin.ReasonNoPermission:
		return failf(exitBind, "rejected, the configuration in force stays: %w", f)
	case admin.ReasonDraining:
		return f
	}
	return failf(exitConfig, "rejected, the configuration in force stays: %w", f)
}

// shortHash is enough of a hash to tell two configurations apart.
func shortHash(hash string) string { return hash[:min(len(hash), 12)] }

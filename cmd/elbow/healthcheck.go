package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func newHealthcheck() *cobra.Command {
	var a ask
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Succeed if the daemon is ready; for containers",
		Long: `Ask the daemon whether it is ready for traffic: a configuration is in force, its
listeners are bound, and it does not drain. For the HEALTHCHECK of a container image
and the probes of Kubernetes, where there may be no curl.

Exit codes: 0 if it is ready, 1 if it is not or does not answer. No others, as
container engines keep them for themselves.`,
		Example: `  elbow healthcheck && echo ready
  HEALTHCHECK CMD ["/elbow", "healthcheck"]`,
		Args: noArgs,
		RunE: action(func(cmd *cobra.Command) error {
			client, ctx, cancel := a.client()
			defer cancel()
			r, err := client.Ready(ctx)
			if err != nil {
				return failf(exitFailure, "%w", a.explain(err))
			}
			if !r.Ready {
				return failf(exitFailure, "not ready: %s", r.Reason)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "ready")
			return err
		}),
	}
	a.flags(cmd, 2*time.Second)
	return cmd
}

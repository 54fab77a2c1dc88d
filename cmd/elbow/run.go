package main

import (
	"time"

	"github.com/spf13/cobra"
)

func newRun() *cobra.Command {
	opt := daemonOptions{}
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Run the daemon in the foreground",
		Long: `Run the daemon in the foreground until SIGTERM or SIGINT.

The configuration is watched: a change takes effect a moment after it is written,
and all or nothing. When anything is wrong with it, nothing changes; the log, the
command "elbow status" and a metric say so.

Signals:
  SIGHUP            read the configuration again, now
  SIGUSR1           open the access log anew, after it was renamed
  SIGTERM, SIGINT   drain: not ready any more, no new connections, requests in
                    flight finish. A second one ends the process at once

Exit codes: 0 after a drain, 3 if the configuration is wrong at the start, 4 if an
address cannot be bound, 6 if a drain took longer than --drain-timeout.`,
		Example: `  elbow run --config /etc/elbow/elbow.yaml
  elbow run -c elbow.yaml --drain-delay 5s`,
		Args: cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command) error {
			opt.stderr = cmd.ErrOrStderr()
			return runDaemon(opt)
		}),
	}
	configFlag(cmd, &opt.config)
	drainFlags(cmd, &opt)
	return cmd
}

// configFlag adds --config, which must be given.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "the configuration `file`")
	cmd.MarkFlagRequired("config")
	cmd.MarkFlagFilename("config", "yaml", "yml", "json")
}

func drainFlags(cmd *cobra.Command, opt *daemonOptions) {
	cmd.Flags().DurationVar(&opt.drainDelay, "drain-delay", 0,
		"how long to go on accepting after SIGTERM while /readyz fails, so that others notice")
	cmd.Flags().DurationVar(&opt.drainTimeout, "drain-timeout", 300*time.Second,
		"how long requests in flight may take to finish after that")
}

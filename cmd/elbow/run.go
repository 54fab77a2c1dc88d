package main

import (
	"time"

	"github.com/spf13/cobra"
)

func newRun() *cobra.Command {
	var opt daemonOptions
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Run the daemon in the foreground",
		Long: `Run the daemon in the foreground until SIGTERM or SIGINT. Its log goes to stderr.

The configuration is watched: a change takes effect a moment after it is written,
all or nothing. When anything is wrong with it nothing changes; the log, the
command "elbow status" and a metric say why.

Signals:
  SIGHUP            read the configuration again, now
  SIGUSR1           open the access log anew, after it was renamed
  SIGTERM, SIGINT   drain: not ready any more, no new connections, requests in
                    flight finish. A second one ends the process at once

A service manager that asks for it (NOTIFY_SOCKET) is told when the daemon is
ready, reloads and stops, and how it is. The memory limit of the
control group, or --memory-limit, is obeyed: from 92 % of it on every response
closes its connection, from 95 % on requests are answered 503.

Exit codes: 0 after a drain; 1 if a second signal cut it short; 3 if the
configuration is wrong at the start, or a file that it names cannot be opened; 4 if
an address or the admin socket cannot be bound, or permission is missing; 6 if
requests were still in flight after --drain-timeout.`,
		Example: `  elbow run --config /etc/elbow/elbow.yaml
  elbow run -c elbow.yaml --drain-delay 5s`,
		Args: noArgs,
		RunE: action(func(cmd *cobra.Command) error {
			if err := notNegative(cmd, "drain-delay", "drain-timeout"); err != nil {
				return err
			}
			opt.stderr = cmd.ErrOrStderr()
			opt.colour = colours(cmd, opt.stderr)
			return runDaemon(opt)
		}),
	}
	configFlag(cmd, &opt.config)
	drainFlags(cmd, &opt)
	cmd.Flags().Var(&opt.memoryLimit, "memory-limit",
		"how much memory the daemon may use, such as 512MiB; near it requests are answered 503 (default: the limit of the control group)")
	return cmd
}

// configFlag adds --config, which must be given.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "the configuration `file`")
	cmd.MarkFlagRequired("config")
	cmd.MarkFlagFilename("config", "yaml", "yml", "json")
}

// notNegative refuses durations below zero.
func notNegative(cmd *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if d, err := cmd.Flags().GetDuration(name); err == nil && d < 0 {
			return failf(exitUsage, "--%s must not be negative, got %v", name, d)
		}
	}
	return nil
}

// drainFlags adds what a drain may take.
func drainFlags(cmd *cobra.Command, opt *daemonOptions) {
	cmd.Flags().DurationVar(&opt.drainDelay, "drain-delay", 0,
		"how long to go on accepting after SIGTERM while /readyz fails, so that those who watch it notice")
	cmd.Flags().DurationVar(&opt.drainTimeout, "drain-timeout", 300*time.Second,
		"how long requests in flight may then take to finish")
}

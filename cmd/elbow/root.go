package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// execute runs one command line and returns the exit code.
func execute(args []string, std streams) int {
	root := newRoot()
	makeStrict(root)
	root.SetArgs(args)
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	cmd, err := root.ExecuteC()
	if err == nil {
		return exitOK
	}
	// The commands give each of their errors a code; what has none comes from
	// reading the command line.
	var e *exitError
	if !errors.As(err, &e) {
		fmt.Fprintf(std.err, "elbow: %v\nSee: %s --help\n", err, cmd.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(std.err, "elbow: %v\n", err)
	return e.code
}

// newRoot returns the tree of commands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "elbow",
		Short: "A load balancer with AWS ELB's semantics",
		Long: `Elbow is an ELB you own: AWS Elastic Load Balancing's semantics on any Linux
machine, in one binary driven by one configuration file.

Data goes to stdout, everything else to stderr.`,
		Example: `  elbow demo                            see it work, with built-in targets
  elbow validate --config elbow.yaml    check a configuration
  elbow run --config elbow.yaml         run it
  elbow status                          ask the running daemon`,
		SilenceErrors: true, // execute prints them
		SilenceUsage:  true,
		Version:       versionLine(),
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.PersistentFlags().Bool("no-color", false, "no colours, also on a terminal; NO_COLOR does the same")
	root.AddCommand(
		newRun(), newDemo(), newValidate(), newSchema(),
		newReload(), newStatus(), newTarget(), newExplain(), newHealthcheck(),
		newVersion(),
	)
	return root
}

// makeStrict makes the commands that cobra adds refuse what they do not know. They
// would show their help instead and succeed, so that "elbow completion bahs > FILE"
// fills the file with it.
func makeStrict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Args = func(_ *cobra.Command, args []string) error {
				_, _, err := root.Find(args)
				return err
			}
		case "completion": // it takes no arguments, but those are looked at only if it can run
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// noArgs is the Args of a command that takes none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument, got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// action makes the RunE of a command from a function whose errors are failures, not
// mistakes on the command line.
func action(f func(cmd *cobra.Command) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error { return coded(f(cmd)) }
}

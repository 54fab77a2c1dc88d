package main

import (
	"github.com/spf13/cobra"

	"github.com/elbow-lb/elbow/config"
)

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of the configuration, for editors",
		Long: `Print the JSON schema of the configuration file of this version.

An editor with a YAML language server completes and checks with it when the first
line of the configuration names it:

  # yaml-language-server: $schema=./elbow.schema.json

What takes more than one field to know, such as whether a target group that is
named exists, is left to "elbow validate".`,
		Example: `  elbow schema > elbow.schema.json`,
		Args:    noArgs,
		RunE: action(func(cmd *cobra.Command) error {
			schema, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(schema)
			return err
		}),
	}
}

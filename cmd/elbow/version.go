package main

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// build is what `elbow version --json` prints.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Date     string `json:"date"` // of the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print version and commit",
		Long:  `Print the version, the commit and its date, and what the binary was built with.`,
		Example: `  elbow version
  elbow version --json | jq -r .commit`,
		Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command) error {
			b := build{version, commit, date, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(b)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "elbow %s (commit %s of %s, %s, %s)\n", b.Version, b.Commit, b.Date, b.Go, b.Platform)
			return err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

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

func thisBuild() build {
	return build{version, commit, date, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
}

// versionLine is what `elbow version` prints.
func versionLine() string {
	b := thisBuild()
	return fmt.Sprintf("elbow %s (commit %s of %s, %s, %s)", b.Version, b.Commit, b.Date, b.Go, b.Platform)
}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print version and commit",
		Long:  `Print the version, the commit and its date, and what the binary was built with.`,
		Example: `  elbow version
  elbow version --json | jq -r .commit`,
		Args: noArgs,
		RunE: action(func(cmd *cobra.Command) error {
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(thisBuild())
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), versionLine())
			return err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

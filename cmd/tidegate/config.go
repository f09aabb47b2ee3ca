package main

import "github.com/spf13/cobra"

func newConfig(t *tool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print every setting, its value and where the value comes from",
		Long: `Prints the effective configuration: each setting, its value and where the value comes from (default, a line of the
file, the environment, a flag). Secrets are hidden. It refuses what "serve" would refuse, so it checks a file before
it is used; --json adds each setting's environment variable and what it is for.`,
		Example: `  tidegate config
  tidegate config --config shop.yaml
  tidegate config --json | jq -r '.[] | "\(.path): \(.help)"'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, tree, err := t.config()
			if err != nil {
				return err
			}
			if asJSON {
				return tree.WriteJSON(cmd.OutOrStdout())
			}
			return tree.WriteText(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

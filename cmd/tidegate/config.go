package main

import (
	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/internal/adminclient"
)

func newConfig(t *tool) *cobra.Command {
	var asJSON, running bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print every setting, its value and where the value comes from",
		Long: `Prints the effective configuration: each setting, its value and where the value comes from (default, a line of the
file, the environment, a flag). Secrets are hidden. It refuses what "serve" would refuse, so it checks a file before
it is used; --json adds each setting's environment variable and what it is for.

Settings that are live can be changed while the shop runs: "tidegate config set". What was set so lies over the flags;
--running asks the shop in the data folder, or at --target, what it goes by.`,
		Example: `  tidegate config
  tidegate config --running
  tidegate config --config shop.yaml
  tidegate config --json | jq -r '.[] | "\(.path): \(.help)"'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if running {
				return t.onShop(cmd, func(shop *adminclient.Client) error {
					return writeRunningSettings(cmd.Context(), cmd.OutOrStdout(), shop, asJSON)
				})
			}
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
	cmd.Flags().BoolVar(&running, "running", false, "print the settings that the running shop goes by")
	addTargetFlags(cmd)
	cmd.AddCommand(newConfigSet(t), newConfigHistory(t), newConfigUndo(t))
	return cmd
}

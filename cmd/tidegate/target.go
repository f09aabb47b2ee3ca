package main

import (
	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/internal/adminclient"
)

// addTargetFlags adds --target and --admin-key to a command that can work on a running shop.
func addTargetFlags(cmd *cobra.Command) {
	cmd.PersistentFlags().String("target", "", "address of a running shop, such as https://shop.example.com (or "+adminclient.EnvTarget+")")
	cmd.PersistentFlags().String("admin-key", "", "admin key for --target; "+adminclient.EnvAdminKey+" keeps it out of the list of processes")
}

// target returns the shop that the flags, or else the environment, name.
func (t *tool) target(cmd *cobra.Command) adminclient.Target {
	pick := func(flag, env string) string {
		if f := cmd.Flag(flag); f.Changed {
			return f.Value.String()
		}
		return t.getenv(env)
	}
	return adminclient.Target{URL: pick("target", adminclient.EnvTarget), AdminKey: pick("admin-key", adminclient.EnvAdminKey)}
}

package main

import (
	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/internal/app"
)

// addTargetFlags adds --target and --admin-key to a command that can work on a running shop.
func addTargetFlags(cmd *cobra.Command) {
	cmd.PersistentFlags().String("target", "", "address of a running shop, such as https://shop.example.com (or "+app.EnvTarget+")")
	cmd.PersistentFlags().String("admin-key", "", "admin key for --target; "+app.EnvAdminKey+" keeps it out of the list of processes")
}

// target returns the shop that the flags, or else the environment, name.
func (t *tool) target(cmd *cobra.Command) app.Target {
	pick := func(flag, env string) string {
		if f := cmd.Flag(flag); f.Changed {
			return f.Value.String()
		}
		return t.getenv(env)
	}
	return app.Target{URL: pick("target", app.EnvTarget), AdminKey: pick("admin-key", app.EnvAdminKey)}
}

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/internal/app"
)

func newServe(t *tool) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the shop",
		Long: `Runs the shop on its data folder, which is created where it is missing. One process owns a folder.

The public listener (http.address) serves shoppers and the admin API, the ops listener (ops.address) serves /healthz,
/readyz, /metrics and /debug/pprof.

SIGTERM or Ctrl-C stops it in order: it says not ready, takes nothing new, finishes what it has accepted, and ends within
process.shutdown_grace. A second one ends it at once; what was answered is on disk either way.`,
		Example: `  tidegate serve --data /var/lib/shop
  tidegate serve --config shop.yaml --http.address 0.0.0.0:8080
  TIDEGATE_LOG_LEVEL=debug tidegate serve`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, _, err := t.config()
			if err != nil {
				return err
			}
			a, err := app.New(cmd.Context(), c, t.options(c))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, a.Close()) }()
			return a.Run(cmd.Context())
		},
	}
}

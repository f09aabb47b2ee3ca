package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/internal/app"
	"github.com/tidegate/tidegate/internal/app/memory"
)

func newServe(t *tool) *cobra.Command {
	var demo bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the shop",
		Long: `Runs the shop on its data folder, and creates the folder if it is missing. One process owns a folder.

The public listener (http.address) serves shoppers and the admin API, the ops listener (ops.address) serves /healthz,
/readyz, /metrics and /debug/pprof. With express.address a third one, the express lane, takes the orders, sales and products
that a proxy routes to it.

SIGTERM or Ctrl-C stops it in order: it reports not ready, takes no new requests, finishes those it has accepted, and
ends within process.shutdown_grace. A second signal ends it immediately; every order that it has answered is on disk
either way.

--demo makes a shop to try: an empty shop gets a catalogue of a few thousand real products with stock, a demo customer
and an admin key, which a restart keeps. A sale opens 30 seconds later, unless one is open. It prints
three curl commands that buy something.`,
		Example: `  tidegate serve --demo
  tidegate serve --data /var/lib/shop
  tidegate serve --config shop.yaml --http.address 0.0.0.0:8080
  TIDEGATE_LOG_LEVEL=debug tidegate serve`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c, tree, err := t.config()
			if err != nil {
				return err
			}
			o := t.options(c)
			o.Demo = demo
			if tree.HasSecretsInFile() {
				o.SecretsFile = t.configPath()
			}
			defer func() {
				// A stop while it still starts breaks off what it was doing, and is an orderly end: the next start goes on.
				if cmd.Context().Err() != nil && errors.Is(err, context.Canceled) {
					o.Log.InfoContext(cmd.Context(), "stopped before it served", "while", err)
					err = nil
				}
			}()
			memory.Tune(c.Process.GCPercent, c.Process.MemoryLimitMiB)
			a, err := app.New(cmd.Context(), c, o)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, a.Close()) }()
			go func() {
				select {
				case <-a.Ready():
					if notice := a.PaymentNotice(); notice != "" {
						_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "tidegate: "+notice)
					}
					// Who does not read it needs no error: the shop serves.
					_ = welcome(cmd.OutOrStdout(), a, c, "demo-"+strings.ToLower(rand.Text()[:8]), time.Now())
				case <-cmd.Context().Done():
				}
			}()
			return a.Run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&demo, "demo", false, "a shop to try, with a catalogue, a customer and a sale")
	return cmd
}

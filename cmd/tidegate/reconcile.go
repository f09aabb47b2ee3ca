package main

import (
	"net/http"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/adminclient"
)

func newReconcile(t *tool) *cobra.Command {
	var asJSON, apply bool
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Rebuild what is derived from the stock ledger",
		Long: `Compares derived data with its source: the rows of stock with the sums of the ledger, and in a running shop
the gate with the rows. It says what it would change; with --apply it changes that. It never writes to the ledger. The
shop may go on selling; the gate is compared at a moment when no order is under way.

Run "tidegate audit" first: it says what is wrong, this only repairs what can be derived. The command needs the role all.

Exit status 1 means that there is a difference and it was not changed.`,
		Example: `  tidegate reconcile
  tidegate reconcile --apply`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				var done api.ReconcileReport
				err := t.patiently("adding up the ledger", func() error {
					return shop.JSON(cmd.Context(), http.MethodPost, "/v1/admin/reconcile", api.ReconcileInput{Apply: apply}, &done)
				})
				if err != nil {
					return err
				}
				if asJSON {
					err = writeJSON(cmd.OutOrStdout(), done)
				} else {
					err = adminclient.WriteReconcile(cmd.OutOrStdout(), done)
				}
				if err == nil && len(done.Changes) > 0 && !done.Applied {
					return errFound
				}
				return err
			})
		},
	}
	addTargetFlags(cmd)
	cmd.Flags().BoolVar(&apply, "apply", false, "change what differs")
	var dry bool
	cmd.Flags().BoolVar(&dry, "dry-run", true, "only say what would change: the default")
	cmd.MarkFlagsMutuallyExclusive("apply", "dry-run")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

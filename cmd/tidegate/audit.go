package main

import (
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/adminclient"
)

func newAudit(t *tool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check from the data that nothing was oversold, lost or sold twice",
		Long: `Checks the invariants of the shop from its data, on one snapshot, while the shop goes on selling, and prints what was
looked at and what was found:

  I1  sold never exceeds stock               I5  money and orders agree
  I2  every accepted order can be read       I6  closing gives stock back exactly once
  I3  one order for one customer and key     I7  no customer exceeds the limit
  I4  the ledger's sums are the stock rows   I9  orders move along legal edges
  I17 what is not sold takes no orders

It notes what the data alone cannot show. It counts all violations and lists the first 100 of each invariant.
With --json it prints one document: ok, at, and in "invariants" one object for each with id, title, ok, checked,
found, violations and note. The command needs the role all.

Exit status 1 means that an invariant is violated.`,
		Example: `  tidegate audit
  tidegate audit --json | jq -r '.invariants[] | select(.ok | not) | .violations[] | "\(.subject): \(.detail)"'
  tidegate audit --target https://shop.example.com`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				var report api.AuditReport
				err := t.patiently("reading every order and movement", func() error {
					return shop.JSON(cmd.Context(), http.MethodPost, "/v1/admin/audit", nil, &report)
				})
				if err != nil {
					return err
				}
				if err := writeAudit(cmd.OutOrStdout(), report, asJSON); err != nil {
					return err
				}
				if !report.Ok {
					return errFound
				}
				return nil
			})
		},
	}
	addTargetFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func writeAudit(w io.Writer, report api.AuditReport, asJSON bool) error {
	if asJSON {
		return writeJSON(w, report)
	}
	return adminclient.WriteAudit(w, report)
}

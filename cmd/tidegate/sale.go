package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

func newSale(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sale",
		Short: "Prepare and steer sales",
		Long: `A sale begins as a draft. Scheduling it takes its allocation out of general stock. It opens and ends by the
clock. You can pause and resume a live sale. Ending it early returns what is left to general stock.

The commands need the role sales; "create" reads products as every shopper can.`,
		Example: `  tidegate sale create --title "Friday drop" --starts 2026-11-27T20:00:00Z --for 2h --limit 2 \
      --item 85123A=1.99x500 --item 85123B=2.49x300
  tidegate sale schedule 7240126464000001
  tidegate sale list`,
		Args: cobra.NoArgs,
		RunE: showHelp,
	}
	addTargetFlags(cmd)
	cmd.AddCommand(newSaleList(t), newSaleShow(t), newSaleCreate(t))
	for _, move := range []struct{ verb, short, long, question string }{
		{"schedule", "Schedule a draft: it opens by the clock", "Schedules a draft. Its allocation leaves general stock now, all of it or nothing, and it opens at its time.", ""},
		{
			"pause", "Pause a live sale", "Pauses a live sale: orders are refused with sale_paused until it is resumed. Those that were taken can be paid.",
			"Pause this sale? It takes no orders until it is resumed.",
		},
		{"resume", "Resume a paused sale", "Resumes a paused sale.", ""},
		{
			"end", "End a sale now", "Ends a sale before its time. What is available goes back to general stock at once, what comes free later follows.",
			"End this sale for good?",
		},
	} {
		cmd.AddCommand(newSaleMove(t, move.verb, move.short, move.long, move.question))
	}
	cmd.AddCommand(newSaleStopItem(t))
	return cmd
}

func newSaleList(t *tool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List all sales, newest first",
		Example: `  tidegate sale list --json | jq -r '.[] | select(.status == "live") | .id'`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				sales, err := listSales(cmd.Context(), shop)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), sales)
				}
				return tableOfSales(cmd.OutOrStdout(), sales)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// salesMax bounds the list of sales: more than any shop has had.
const salesMax = 100_000

func listSales(ctx context.Context, shop *adminclient.Client) ([]api.Sale, error) {
	return listOf[api.Sale](ctx, shop, "/v1/admin/sales", url.Values{}, salesMax)
}

func (t *tool) completeSales(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return t.complete(func(ctx context.Context, shop *adminclient.Client) ([]string, error) {
		all, err := listOf[api.Sale](ctx, shop, "/v1/admin/sales", url.Values{}, listDefault)
		offers := make([]string, len(all))
		for i := range all {
			offers[i] = fmt.Sprintf("%s\t%s, %s", all[i].Id, all[i].Status, all[i].Title)
		}
		return offers, err
	})(cmd, args, typed)
}

func tableOfSales(w io.Writer, sales []api.Sale) error {
	table := text.NewTable(w, "ID", "STATUS", "OPENS", "ENDS", "ITEMS", "TITLE")
	for _, s := range sales {
		table.Row(s.Id, s.Status, moment(s.StartsAt), moment(s.EndsAt), len(s.Items), s.Title)
	}
	return table.Flush()
}

func moment(at api.Time) string { return at.UTC().Format(time.RFC3339) }

func newSaleShow(t *tool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show SALE",
		Short:   "Show one sale with its items and what is left of them",
		Example: `  tidegate sale show 7240126464000001`,
		Args:    exactArgs,

		ValidArgsFunction: t.completeSales,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				var s api.Sale
				if err := shop.JSON(cmd.Context(), http.MethodGet, salePath(args[0]), nil, &s); err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), s)
				}
				return showSale(cmd.OutOrStdout(), s)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func salePath(sale string) string { return "/v1/admin/sales/" + url.PathEscape(sale) }

func showSale(w io.Writer, s api.Sale) error {
	limit := "no limit"
	if s.LimitPerCustomer > 0 {
		limit = strconv.FormatInt(s.LimitPerCustomer, 10)
	}
	table := text.NewTable(w)
	for _, row := range [][2]string{
		{"id", s.Id.String()}, {"title", s.Title}, {"status", string(s.Status)}, {"opens", moment(s.StartsAt)}, {"ends", moment(s.EndsAt)},
		{"units per customer", limit}, {"time to pay", (time.Duration(s.PaymentWindowSeconds) * time.Second).String()},
	} {
		table.Row(row[0], row[1])
	}
	table.Head("SKU", "PRICE", "LIST PRICE", "ALLOCATION", "AVAILABLE")
	for _, item := range s.Items {
		available := "not known"
		switch {
		case item.Stopped:
			available = "stopped"
		case item.Available != nil:
			available = strconv.FormatInt(*item.Available, 10)
		case s.Status == api.SaleStatusEnded || s.Status == api.SaleStatusDraft:
			available = "-"
		}
		table.Row(item.SkuId, item.Price, item.ListPrice, item.Allocation, available)
	}
	return table.Flush()
}

func newSaleMove(t *tool, verb, short, long, question string) *cobra.Command {
	cmd := &cobra.Command{
		Use:               verb + " SALE",
		Short:             short,
		Long:              long,
		Example:           "  tidegate sale " + verb + " 7240126464000001",
		Args:              exactArgs,
		ValidArgsFunction: t.completeSales,
	}
	d := &deed{tool: t, yes: true}
	if question != "" {
		cmd.Example += ` --reason "the lorry is late" --yes`
		d = t.addDeedFlags(cmd, true)
	} else {
		cmd.Flags().StringVar(&d.reason, "reason", "", "why, for the audit log")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := d.confirm(cmd, question); err != nil {
			return err
		}
		return t.onShop(cmd, func(shop *adminclient.Client) error {
			var s api.Sale
			if err := shop.Because(d.reason).JSON(cmd.Context(), http.MethodPost, salePath(args[0])+"/"+verb, nil, &s); err != nil {
				return err
			}
			return tableOfSales(cmd.OutOrStdout(), []api.Sale{s})
		})
	}
	return cmd
}

func newSaleStopItem(t *tool) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "stop-item SALE SKU",
		Short: "Stop selling one item of a sale",
		Long: `Stops selling one item of a sale, for a recall. Available units go back to general stock immediately; units
that unpaid orders hold follow when those end. Shoppers can still pay existing orders. Afterwards you can change or
delete the item's product.`,
		Example: `  tidegate sale stop-item 7240126464000001 7240126464000002 --reason "recalled by its maker"`,
		Args:    exactArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return usageError{errors.New("say why with --reason: the ledger keeps it")}
			}
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				var s api.Sale
				path := salePath(args[0]) + "/items/" + url.PathEscape(args[1]) + "/stop"
				if err := shop.JSON(cmd.Context(), http.MethodPost, path, api.StopInput{Reason: reason}, &s); err != nil {
					return err
				}
				return showSale(cmd.OutOrStdout(), s)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the ledger (required)")
	return cmd
}

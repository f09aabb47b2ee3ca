package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

const (
	ordersPath  = "/v1/admin/orders"
	refundsPath = "/v1/admin/refunds"
)

func newOrder(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "order",
		Short: "Find, cancel and fulfil orders",
		Long:  `Finds orders, and does what an operator does with them. The commands need the role orders.`,
		Example: `  tidegate order list --status paid --limit 20
  tidegate order show 7240126464000107`,
		Args: cobra.NoArgs,
		RunE: showHelp,
	}
	addTargetFlags(cmd)
	cmd.AddCommand(newOrderList(t), newOrderShow(t), newOrderCancel(t), newOrderFulfil(t))
	return cmd
}

func newOrderList(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List orders, newest first",
		Example: `  tidegate order list --sale 7240126464000020 --status pending
  tidegate order list --from 2026-11-27T20:00:00Z --to 2026-11-27T20:05:00Z --json | jq length`,
	}
	flag := func(name, usage string) *string { return cmd.Flags().String(name, "", usage) }
	filters := map[string]*string{
		"sale_id":     flag("sale", "only orders of this sale"),
		"customer_id": flag("customer", "only orders of this customer"),
		"status":      flag("status", "only orders of this status: pending, paid, fulfilled, expired, cancelled or refunded"),
		"from":        flag("from", "only orders placed at this moment or later, such as 2026-11-27T20:00:00Z"),
		"to":          flag("to", "only orders placed before this moment"),
	}
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions([]string{"pending", "paid", "fulfilled", "expired", "cancelled", "refunded"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("sale", t.completeSales)
	return listCommand(t, cmd, ordersPath, filters, tableOfOrders)
}

func tableOfOrders(w io.Writer, all []api.Order) error {
	table := text.NewTable(w, "ID", "STATUS", "PLACED", "UNITS", "TOTAL", "CUSTOMER", "SALE")
	for i := range all {
		o := &all[i]
		sale := "-"
		if o.SaleId != 0 {
			sale = o.SaleId.String()
		}
		table.Row(o.Id, o.Status, day(o.CreatedAt.Time), o.Quantity, o.Total, o.CustomerId, sale)
	}
	return table.Flush()
}

func showOrder(w io.Writer, o *api.Order) error {
	table := text.NewTable(w)
	for _, row := range [][2]string{
		{"id", o.Id.String()}, {"status", string(o.Status)}, {"customer", o.CustomerId.String()}, {"total", fmt.Sprint(o.Total)},
		{"placed", day(o.CreatedAt.Time)}, {"pay before", day(o.ExpiresAt.Time)}, {"paid", day(o.PaidAt.Time)}, {"closed", day(o.ClosedAt.Time)},
	} {
		table.Row(row[0], row[1])
	}
	table.Head("SKU", "UNITS", "PRICE", "TOTAL")
	for _, l := range o.Lines {
		table.Row(l.SkuId, l.Quantity, l.UnitPrice, l.Total)
	}
	return table.Flush()
}

// orderCommand is a command on one order, which prints the order as it then is.
func (t *tool) orderCommand(use, short, long, example string, ask func(cmd *cobra.Command) error, call func(cmd *cobra.Command, shop *adminclient.Client, path string, o *api.Order) error) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args:              exactArgs,
		ValidArgsFunction: t.completeOrders,
		RunE: func(cmd *cobra.Command, args []string) error {
			if ask != nil {
				if err := ask(cmd); err != nil { // before the folder is held
					return err
				}
			}
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				var o api.Order
				if err := call(cmd, shop, ordersPath+"/"+pathSegment(args[0]), &o); err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), o)
				}
				return showOrder(cmd.OutOrStdout(), &o)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newOrderShow(t *tool) *cobra.Command {
	return t.orderCommand("show ORDER", "Show one order with its lines", "", "  tidegate order show 7240126464000107", nil,
		func(cmd *cobra.Command, shop *adminclient.Client, path string, o *api.Order) error {
			return shop.JSON(cmd.Context(), http.MethodGet, path, nil, o)
		})
}

func newOrderCancel(t *tool) *cobra.Command {
	var d *deed
	cmd := t.orderCommand("cancel ORDER", "Cancel an order that is not paid yet",
		`Cancels an order that is not paid yet. Its units go back on sale. A paid order is refunded: see "tidegate refund create".`,
		`  tidegate order cancel 7240126464000107 --reason "asked by telephone" --yes`,
		func(cmd *cobra.Command) error { return d.confirm(cmd, "Cancel this order? Its units go back on sale.") },
		func(cmd *cobra.Command, shop *adminclient.Client, path string, o *api.Order) error {
			return shop.Because(d.reason).JSON(cmd.Context(), http.MethodPost, path+"/cancel", nil, o)
		})
	d = t.addDeedFlags(cmd, false)
	return cmd
}

func newOrderFulfil(t *tool) *cobra.Command {
	return t.orderCommand("fulfil ORDER", "Say that a paid order has been sent", "", "  tidegate order fulfil 7240126464000107", nil,
		func(cmd *cobra.Command, shop *adminclient.Client, path string, o *api.Order) error {
			return shop.JSON(cmd.Context(), http.MethodPost, path+"/fulfil", nil, o)
		})
}

func newRefund(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "refund",
		Short: "Refund orders",
		Long:  `Gives an order's money back. The commands need the role payments.`,
		Args:  cobra.NoArgs,
		RunE:  showHelp,
	}
	addTargetFlags(cmd)
	cmd.AddCommand(newRefundCreate(t), newRefundList(t))
	return cmd
}

func newRefundCreate(t *tool) *cobra.Command {
	var restock, asJSON bool
	cmd := &cobra.Command{
		Use:   "create ORDER",
		Short: "Refund an order in full",
		Long: `Refunds an order in full. The provider settles it in the background: "tidegate refund list" shows how it stands. A refund that is
asked for twice is one refund. No units go back on sale unless --restock says so.`,
		Example:           `  tidegate refund create 7240126464000107 --reason "arrived broken" --yes`,
		Args:              exactArgs,
		ValidArgsFunction: t.completeOrders,
	}
	d := t.addDeedFlags(cmd, true)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		question := "Refund this order in full? Its units do not go back on sale."
		if restock {
			question = "Refund this order in full, and put its units back on sale?"
		}
		if err := d.confirm(cmd, question); err != nil {
			return err
		}
		return t.onShop(cmd, func(shop *adminclient.Client) error {
			var r api.Refund
			in := api.RefundInput{Reason: d.reason, Restock: restock}
			if err := shop.JSON(cmd.Context(), http.MethodPost, ordersPath+"/"+pathSegment(args[0])+"/refund", in, &r); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), r)
			}
			return tableOfRefunds(cmd.OutOrStdout(), []api.Refund{r})
		})
	}
	cmd.Flags().BoolVar(&restock, "restock", false, "put the units back into general stock: they are at hand and good")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newRefundList(t *tool) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List refunds, newest first", Example: `  tidegate refund list --status failed`}
	status := cmd.Flags().String("status", "", "only refunds of this status: pending, succeeded or failed")
	return listCommand(t, cmd, refundsPath, map[string]*string{"status": status}, tableOfRefunds)
}

func tableOfRefunds(w io.Writer, all []api.Refund) error {
	table := text.NewTable(w, "ID", "ORDER", "STATUS", "AMOUNT", "RESTOCK", "ASKED", "REASON")
	for i := range all {
		r := &all[i]
		table.Row(r.Id, r.OrderId, r.Status, r.Amount, r.Restock, day(r.CreatedAt.Time), r.Reason)
	}
	return table.Flush()
}

func (t *tool) completeOrders(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return t.complete(func(ctx context.Context, shop *adminclient.Client) ([]string, error) {
		all, err := listOf[api.Order](ctx, shop, ordersPath, url.Values{}, listDefault)
		offers := make([]string, len(all))
		for i := range all {
			offers[i] = fmt.Sprintf("%s\t%s, %s", all[i].Id, all[i].Status, all[i].Total)
		}
		return offers, err
	})(cmd, args, typed)
}

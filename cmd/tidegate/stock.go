package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

func newStock(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stock",
		Short: "Receive stock, correct it, and look at it",
		Long: `A variant's units are in pools: general stock, and one pool for each sale that took some. Every change is a
row of the ledger, with its author and reason; rows are never overwritten.

The commands need the role catalog. A variant is named by its stock code.`,
		Example: `  tidegate stock receive 85123A=500 85123B=300 --reason "delivery 4711" --key delivery-4711
  tidegate stock adjust 85123A=-2 --reason "broken in the warehouse"
  tidegate stock show 85123A`,
		Args: cobra.NoArgs,
		RunE: showHelp,
	}
	addTargetFlags(cmd)
	cmd.AddCommand(newStockShow(t),
		newStockChange(t, api.AdjustmentInputKindReceive, "receive CODE=UNITS...", "Note that units came in", "Adds units that came in to general stock."),
		newStockChange(t, api.AdjustmentInputKindAdjust, "adjust CODE=UNITS...", "Correct a count, up or down",
			"Corrects general stock after a count: units to add, or, with a minus, to take away. What orders hold cannot be taken."))
	return cmd
}

func newStockChange(t *tool, kind api.AdjustmentInputKind, use, short, long string) *cobra.Command {
	var reason, key string
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Long: long + `

With --key the command can be repeated: each variant is changed once for the key. Without it, a repeated command changes
the stock again.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			changes, err := readUnits(args)
			if err != nil {
				return usageError{err}
			}
			if strings.TrimSpace(reason) == "" {
				return usageError{errors.New("say why with --reason: the ledger keeps it")}
			}
			if key == "" {
				key = rand.Text()
			}
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				return changeStock(cmd.Context(), cmd.OutOrStdout(), shop, kind, changes, reason, key)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the ledger; required")
	cmd.Flags().StringVar(&key, "key", "", "name of this change, such as a delivery's number, so that it can be repeated")
	return cmd
}

// units is CODE=UNITS of the command line.
type units struct {
	code  string
	count int64
}

// readUnits reads CODE=UNITS. A code may hold = itself: the last one counts.
func readUnits(args []string) ([]units, error) {
	all := make([]units, len(args))
	for i, text := range args {
		equals := strings.LastIndexByte(text, '=')
		count, err := strconv.ParseInt(text[equals+1:], 10, 64)
		if equals < 1 || err != nil || count == 0 {
			return nil, fmt.Errorf("a code and its units, such as 85123A=500, not %q", text)
		}
		all[i] = units{text[:equals], count}
	}
	return all, nil
}

// changeStock changes one variant after the other and prints what each has afterwards. Where one is refused, those before
// it stay changed; the same key makes it safe to begin again.
func changeStock(ctx context.Context, out io.Writer, shop *adminclient.Client, kind api.AdjustmentInputKind, changes []units, reason, key string) error {
	table := text.NewTable(out, "CODE", "CHANGE", "ON HAND", "RESERVED", "AVAILABLE")
	for i, c := range changes {
		v, err := variantOf(ctx, shop, c.code)
		var pool api.Pool
		if err == nil {
			pool, err = shop.AdjustStock(ctx, v.SkuId, key+":"+c.code, api.AdjustmentInput{Kind: kind, Quantity: c.count, Reason: reason})
		}
		if err != nil {
			return errors.Join(table.Flush(), fmt.Errorf("%s: %w (%d of %d were changed; the same --key goes on)", c.code, err, i, len(changes)))
		}
		table.Row(c.code, fmt.Sprintf("%+d", c.count), pool.OnHand, pool.Reserved, pool.Available)
	}
	return table.Flush()
}

// variantOf finds the variant that a stock code names among the published products.
func variantOf(ctx context.Context, shop *adminclient.Client, code string) (api.Variant, error) {
	var product api.Product
	if err := shop.JSON(ctx, http.MethodGet, "/v1/products/by-sku/"+url.PathEscape(code), nil, &product); err != nil {
		return api.Variant{}, err
	}
	for _, v := range product.Variants {
		if string(v.Sku) == code {
			return v, nil
		}
	}
	return api.Variant{}, fmt.Errorf("the product %s has no such variant", product.Id)
}

func newStockShow(t *tool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show CODE",
		Short:   "Show a variant's pools",
		Example: `  tidegate stock show 85123A --json`,
		Args:    exactArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				v, err := variantOf(cmd.Context(), shop, args[0])
				if err != nil {
					return err
				}
				var stock api.Stock
				if err := shop.JSON(cmd.Context(), http.MethodGet, "/v1/admin/stock/"+v.SkuId.String(), nil, &stock); err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), stock)
				}
				return tableOfPools(cmd.OutOrStdout(), stock.Pools)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func tableOfPools(out io.Writer, pools []api.Pool) error {
	table := text.NewTable(out, "POOL", "ON HAND", "RESERVED", "AVAILABLE", "SOLD")
	for _, p := range pools {
		name := "general"
		if !p.SaleId.IsZero() {
			name = "sale " + p.SaleId.String()
		}
		table.Row(name, p.OnHand, p.Reserved, p.Available, p.Sold)
	}
	return table.Flush()
}

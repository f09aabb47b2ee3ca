package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// saleTerms is what the flags of "sale create" say.
type saleTerms struct {
	title        string
	starts, ends string
	lasts        time.Duration
	limit        int64
	payment      time.Duration
	coarse       bool
	items        []string
	schedule     bool
	asJSON       bool
}

func newSaleCreate(t *tool) *cobra.Command {
	var in saleTerms
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a sale: a draft, or with --schedule one that will open",
		Long: `Makes a sale. An item is CODE=PRICExUNITS: the stock code of a variant, its price in the sale in the shop's currency, and
the units to take out of general stock for it.

It is a draft until it is scheduled; --schedule does both.`,
		Example: `  tidegate sale create --title "Friday drop" --starts 2026-11-27T20:00:00Z --for 2h --item 85123A=1.99x500
  tidegate sale create --title "Now" --starts +30s --for 10m --limit 2 --payment 5m --item 85123A=1.99x500 --schedule`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			terms, items, err := in.read(time.Now())
			if err != nil {
				return usageError{err}
			}
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				s, err := createSale(cmd.Context(), shop, terms, items, in.schedule)
				if err != nil {
					return err
				}
				if in.asJSON {
					return writeJSON(cmd.OutOrStdout(), s)
				}
				return tableOfSales(cmd.OutOrStdout(), []api.Sale{s})
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.title, "title", "", "the sale's title; required")
	f.StringVar(&in.starts, "starts", "", "when it opens: a time such as 2026-11-27T20:00:00Z, or from now on, such as +30m; required")
	f.StringVar(&in.ends, "ends", "", "when it ends, in the same form")
	f.DurationVar(&in.lasts, "for", 0, "how long it lasts, instead of --ends")
	f.Int64Var(&in.limit, "limit", 0, "units one customer may buy in the whole sale; 0 is no limit")
	f.DurationVar(&in.payment, "payment", 0, "how long an order is held unpaid; default: the shop's own orders.payment_window")
	f.BoolVar(&in.coarse, "coarse", false, "tell shoppers only roughly what is left")
	f.StringArrayVar(&in.items, "item", nil, "CODE=PRICExUNITS; at least one, may be given more than once")
	f.BoolVar(&in.schedule, "schedule", false, "schedule it at once")
	f.BoolVar(&in.asJSON, "json", false, "print JSON")
	return cmd
}

// saleItem is an item as it is written on the command line.
type saleItem struct {
	code, price string
	units       int64
}

// read checks the flags. Prices and codes are the shop's to judge.
func (in saleTerms) read(now time.Time) (api.SaleInput, []saleItem, error) {
	terms := api.SaleInput{Title: in.title, LimitPerCustomer: in.limit, PaymentWindowSeconds: int64(in.payment / time.Second)}
	if in.coarse {
		terms.StockDisplay = api.StockDisplayCoarse
	}
	starts, err := readMoment("--starts", in.starts, now)
	if err != nil {
		return terms, nil, err
	}
	ends := starts.Add(in.lasts)
	switch {
	case (in.ends == "") == (in.lasts == 0):
		return terms, nil, fmt.Errorf("say when the sale ends: either --ends or --for")
	case in.ends != "":
		if ends, err = readMoment("--ends", in.ends, now); err != nil {
			return terms, nil, err
		}
	}
	terms.StartsAt, terms.EndsAt = api.At(starts), api.At(ends)
	if len(in.items) == 0 {
		return terms, nil, fmt.Errorf("a sale needs at least one --item, such as 85123A=1.99x500")
	}
	items := make([]saleItem, len(in.items))
	for i, text := range in.items {
		if items[i], err = readItem(text); err != nil {
			return terms, nil, err
		}
	}
	return terms, items, nil
}

func readMoment(flag, text string, now time.Time) (time.Time, error) {
	if after, relative := strings.CutPrefix(text, "+"); relative {
		if d, err := time.ParseDuration(after); err == nil && d > 0 {
			return now.Add(d), nil
		}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%s: a time such as 2026-11-27T20:00:00Z, or from now on, such as +30m, not %q", flag, text)
	}
	return at, nil
}

// readItem reads CODE=PRICExUNITS. A code may hold = and x itself: the last ones count.
func readItem(text string) (saleItem, error) {
	wrong := fmt.Errorf("--item: CODE=PRICExUNITS, such as 85123A=1.99x500, not %q", text)
	equals := strings.LastIndexByte(text, '=')
	times := strings.LastIndexByte(text, 'x')
	if equals < 1 || times < equals {
		return saleItem{}, wrong
	}
	units, err := strconv.ParseInt(text[times+1:], 10, 64)
	if err != nil || units < 1 {
		return saleItem{}, wrong
	}
	return saleItem{code: text[:equals], price: text[equals+1 : times], units: units}, nil
}

// createSale looks the codes up, makes the draft and, where asked, schedules it.
func createSale(ctx context.Context, shop *adminclient.Client, terms api.SaleInput, items []saleItem, schedule bool) (s api.Sale, err error) {
	for _, item := range items {
		input, err := lookUp(ctx, shop, item)
		if err != nil {
			return s, fmt.Errorf("item %s: %w", item.code, err)
		}
		terms.Items = append(terms.Items, input)
	}
	if err := shop.JSON(ctx, http.MethodPost, "/v1/admin/sales", terms, &s); err != nil {
		return s, err
	}
	if !schedule {
		return s, nil
	}
	draft := s.Id
	if err := shop.JSON(ctx, http.MethodPost, salePath(draft.String())+"/schedule", nil, &s); err != nil {
		return s, fmt.Errorf("the sale %s is a draft and could not be scheduled: %w", draft, err)
	}
	return s, nil
}

func lookUp(ctx context.Context, shop *adminclient.Client, item saleItem) (api.SaleItemInput, error) {
	v, err := variantOf(ctx, shop, item.code)
	if err != nil {
		return api.SaleItemInput{}, err
	}
	price, err := money.Parse(item.price, v.Price.Currency)
	if err != nil {
		return api.SaleItemInput{}, usageError{fmt.Errorf("the price %s: %w", item.price, err)}
	}
	return api.SaleItemInput{SkuId: v.SkuId, Price: price, Allocation: item.units}, nil
}

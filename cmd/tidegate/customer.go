package main

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

const customersPath = "/v1/admin/customers"

func newCustomer(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "customer",
		Short: "Find, block and sign out customers",
		Long:  `Finds customers, and keeps them out or lets them in. The commands need the role orders.`,
		Example: `  tidegate customer list --email ada@example.com
  tidegate customer block 7240126464000001 --reason "buys with stolen cards" --yes`,
		Args: cobra.NoArgs,
		RunE: showHelp,
	}
	addTargetFlags(cmd)
	cmd.AddCommand(newCustomerList(t), newCustomerShow(t))
	for _, one := range []struct{ verb, method, path, short, long, question string }{
		{
			"block", http.MethodPost, "/block", "Have a customer sign in and order no more",
			"Blocks a customer. Every session ends within a second. What was ordered stays and can be paid.",
			"Block this customer? Every session ends.",
		},
		{"unblock", http.MethodPost, "/unblock", "Let a blocked customer in again", "Lets a blocked customer sign in again.", "Let this customer in again?"},
		{
			"signout", http.MethodDelete, "/sessions", "End every session of a customer", "Ends every session of a customer within a second. The customer can sign in again.",
			"End every session of this customer?",
		},
	} {
		cmd.AddCommand(newCustomerMove(t, one.verb, one.method, one.path, one.short, one.long, one.question))
	}
	return cmd
}

func newCustomerList(t *tool) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List customers, newest first", Example: `  tidegate customer list --email ada@example.com --json | jq -r '.[].id'`}
	email := cmd.Flags().String("email", "", "only the customer with this address")
	return listCommand(t, cmd, customersPath, map[string]*string{"email": email}, tableOfCustomers)
}

func tableOfCustomers(w io.Writer, all []api.Customer) error {
	table := text.NewTable(w, "ID", "EMAIL", "SINCE", "BLOCKED")
	for i := range all {
		c := &all[i]
		table.Row(c.Id, c.Email, day(c.CreatedAt.Time), day(c.BlockedAt.Time))
	}
	return table.Flush()
}

func newCustomerShow(t *tool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "show CUSTOMER",
		Short:             "Show a customer with open sessions and newest orders",
		Example:           `  tidegate customer show 7240126464000001`,
		Args:              exactArgs,
		ValidArgsFunction: t.completeCustomers,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				var shown struct {
					api.Customer
					Sessions []api.Session `json:"sessions"`
					Orders   []api.Order   `json:"orders"`
				}
				ctx, path := cmd.Context(), customersPath+"/"+pathSegment(args[0])
				if err := shop.JSON(ctx, http.MethodGet, path, nil, &shown.Customer); err != nil {
					return err
				}
				var sessions api.SessionList
				if err := shop.JSON(ctx, http.MethodGet, path+"/sessions", nil, &sessions); err != nil {
					return err
				}
				var err error
				shown.Sessions = sessions.Items
				if shown.Orders, err = listOf[api.Order](ctx, shop, ordersPath, url.Values{"customer_id": {shown.Customer.Id.String()}}, listDefault); err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), shown)
				}
				out := text.NewTable(cmd.OutOrStdout())
				out.Row("id", shown.Customer.Id)
				out.Row("email", shown.Email)
				out.Row("since", day(shown.Customer.CreatedAt.Time))
				out.Row("blocked", day(shown.BlockedAt.Time))
				out.Head("SESSION", "SINCE", "USED", "ENDS")
				for _, s := range shown.Sessions {
					out.Row(s.Id, day(s.CreatedAt.Time), day(s.RefreshedAt.Time), day(s.ExpiresAt.Time))
				}
				out.Head("ORDER", "STATUS", "PLACED", "UNITS", "TOTAL")
				for i := range shown.Orders {
					o := &shown.Orders[i]
					out.Row(o.Id, o.Status, day(o.CreatedAt.Time), o.Quantity, o.Total)
				}
				return out.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newCustomerMove(t *tool, verb, method, path, short, long, question string) *cobra.Command {
	cmd := &cobra.Command{
		Use:               verb + " CUSTOMER",
		Short:             short,
		Long:              long,
		Example:           "  tidegate customer " + verb + ` 7240126464000001 --reason "asked by telephone" --yes`,
		Args:              exactArgs,
		ValidArgsFunction: t.completeCustomers,
	}
	d := t.addDeedFlags(cmd, verb == "block")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := d.confirm(cmd, question); err != nil {
			return err
		}
		return t.onShop(cmd, func(shop *adminclient.Client) error {
			at := customersPath + "/" + pathSegment(args[0])
			if err := shop.Because(d.reason).JSON(cmd.Context(), method, at+path, nil, nil); err != nil {
				return err
			}
			var c api.Customer
			if err := shop.JSON(cmd.Context(), http.MethodGet, at, nil, &c); err != nil {
				return err
			}
			return tableOfCustomers(cmd.OutOrStdout(), []api.Customer{c})
		})
	}
	return cmd
}

func (t *tool) completeCustomers(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return t.complete(func(ctx context.Context, shop *adminclient.Client) ([]string, error) {
		all, err := listOf[api.Customer](ctx, shop, customersPath, url.Values{}, listDefault)
		offers := make([]string, len(all))
		for i := range all {
			offers[i] = all[i].Id.String() + "\t" + string(all[i].Email)
		}
		return offers, err
	})(cmd, args, typed)
}

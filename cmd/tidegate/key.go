package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

func newKey(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make, list and revoke admin keys",
		Long: `Admin keys open the admin API. Each has roles: catalog, sales, orders, payments, or all.

A key is shown once, when it is made; the shop keeps only its hash. A revoked key stops working within a second.`,
	}
	addTargetFlags(cmd)
	cmd.AddCommand(newKeyCreate(t), newKeyList(t), newKeyRevoke(t))
	return cmd
}

func newKeyCreate(t *tool) *cobra.Command {
	var name string
	var roles []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make an admin key and print it, this once",
		Long:  `Makes an admin key and prints it, alone on a line. The shop cannot show it again.`,
		Example: `  tidegate key create --name warehouse --role catalog --role orders
  TIDEGATE_ADMIN_KEY=$(tidegate key create --name console --role all)`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				created, err := shop.CreateKey(cmd.Context(), name, roles)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), created)
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), text.Visible(created.Key))
				return err
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "what the key is for; required")
	cmd.Flags().StringSliceVar(&roles, "role", nil, "catalog, sales, orders, payments or all; at least one, may be given more than once")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"catalog", "sales", "orders", "payments", "all"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func newKeyList(t *tool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the admin keys, without their secrets",
		Example: `  tidegate key list --json | jq -r '.[] | select(.revoked_at == null) | .name'`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				keys, err := shop.Keys(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), keys)
				}
				return writeKeys(cmd.OutOrStdout(), keys)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func writeKeys(w io.Writer, keys []api.Key) error {
	table := text.NewTable(w, "ID", "NAME", "ROLES", "CREATED", "REVOKED")
	for _, key := range keys {
		roles := make([]string, len(key.Roles))
		for i, role := range key.Roles {
			roles[i] = string(role)
		}
		table.Row(key.Id, key.Name, strings.Join(roles, " "), day(key.CreatedAt.Time), day(key.RevokedAt.Time))
	}
	return table.Flush()
}

// day is a moment as a table shows it.
func day(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format("2006-01-02 15:04:05")
}

func newKeyRevoke(t *tool) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID",
		Short:   "End an admin key",
		Long:    `Ends the admin key of the id that "tidegate key list" shows. Revoking it again does nothing.`,
		Example: `  tidegate key revoke 7240126464000001`,
		Args:    exactArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error { return shop.RevokeKey(cmd.Context(), args[0]) })
		},
	}
}

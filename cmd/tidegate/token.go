package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/internal/app"
)

func newToken(t *tool) *cobra.Command {
	var customer string
	var count int
	var lifetime time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make customers' access tokens for a load test",
		Long: `Prints access tokens, one a line: of the customer that --customer names, of the id after it, and so on, --count of them.
The customers need not be registered.

It signs with the shop's own key, so you must be able to read that: account.signing_key_file, by default in the data
folder. It works with and without a running shop.

These tokens belong to no session: you cannot revoke one before it expires.`,
		Example: `  tidegate token --customer 1000001 --count 2000 > tokens.txt
  tidegate token --customer 42 --ttl 10m --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := t.config()
			if err != nil {
				return err
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			lines := json.NewEncoder(out)
			err = app.TestTokens(c, customer, count, lifetime, func(token app.TestToken) error {
				if asJSON {
					return lines.Encode(token)
				}
				_, err := out.WriteString(token.Token + "\n")
				return err
			})
			return errors.Join(err, out.Flush())
		},
	}
	cmd.Flags().StringVar(&customer, "customer", "", "id of the first customer; required")
	cmd.Flags().IntVar(&count, "count", 1, "number of customers, one token each")
	cmd.Flags().DurationVar(&lifetime, "ttl", time.Hour, "how long the tokens are good, 1s to 24h")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object a line, with customer_id, token and expires_at")
	return cmd
}

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/app"
)

const webhooksPath = "/v1/admin/webhooks"

func newWebhook(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "Tell other systems of events, and see whether they listen",
		Long: `An endpoint is an address that is told of events by POST, with the headers and the signature of Standard Webhooks. What it
does not take is tried again for a little over a day; an endpoint that takes nothing for a day is paused.

The commands need the role all. docs/events.md says which events there are.`,
		Example: `  tidegate webhook listen
  tidegate webhook create https://warehouse.example.com/hooks --type order.paid.v1 --type order.refunded.v1
  tidegate webhook list`,
		Args: cobra.NoArgs,
		RunE: showHelp,
	}
	addTargetFlags(cmd)
	cmd.AddCommand(newWebhookCreate(t), newWebhookList(t), newWebhookShow(t), newWebhookResume(t), newWebhookRotate(t), newWebhookDelete(t), newWebhookListen(t))
	return cmd
}

func newWebhookCreate(t *tool) *cobra.Command {
	var in api.WebhookInput
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "create URL",
		Short:   "Register an address and print its secret, this once",
		Long:    `Registers an address, and prints the secret that signs what it is told. Nobody can print it again.`,
		Example: `  tidegate webhook create https://warehouse.example.com/hooks --type order.paid.v1 --description "Warehouse"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *app.Shop) error {
				in.Url = args[0]
				created, err := createWebhook(cmd.Context(), shop, in)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), created)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "id      %s\nsecret  %s\n", created.Id, created.Secret)
				return err
			})
		},
	}
	cmd.Flags().StringSliceVar(&in.Types, "type", []string{"*"}, "an event that it wants, such as order.paid.v1; may be given more than once; * is all of them")
	cmd.Flags().StringVar(&in.Description, "description", "", "whose it is")
	cmd.Flags().StringVar(&in.Secret, "secret", "", "whsec_ and 24 to 64 bytes in base64; made where empty")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func createWebhook(ctx context.Context, shop *app.Shop, in api.WebhookInput) (created api.CreatedWebhook, err error) {
	return created, shop.JSON(ctx, http.MethodPost, webhooksPath, in, &created)
}

func newWebhookList(t *tool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the endpoints and how they do",
		Example: `  tidegate webhook list --json | jq -r '.[] | select(.status == "paused") | .url'`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.onShop(cmd, func(shop *app.Shop) error {
				all, err := webhooks(cmd.Context(), shop)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), all)
				}
				return tableOfWebhooks(cmd.OutOrStdout(), all)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func webhooks(ctx context.Context, shop *app.Shop) ([]api.Webhook, error) {
	var list api.WebhookList
	err := shop.JSON(ctx, http.MethodGet, webhooksPath, nil, &list)
	return list.Items, err
}

func tableOfWebhooks(out io.Writer, all []api.Webhook) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTATUS\tWAITING\tDELIVERED\tFAILING SINCE\tTYPES\tURL")
	for _, w := range all {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", w.Id, w.Status, w.Waiting, day(w.DeliveredAt.Time), day(w.FailingSince.Time), strings.Join(w.Types, " "), w.Url)
	}
	return table.Flush()
}

func newWebhookShow(t *tool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "show ID",
		Short:             "Show an endpoint with its latest deliveries",
		Example:           `  tidegate webhook show 7240126464000001`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: t.completeWebhooks,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *app.Shop) error {
				var shown struct {
					api.Webhook
					Deliveries []api.WebhookDelivery `json:"deliveries"`
				}
				var page api.WebhookDeliveryPage
				path := webhooksPath + "/" + pathSegment(args[0])
				err := shop.JSON(cmd.Context(), http.MethodGet, path, nil, &shown.Webhook)
				if err == nil {
					err = shop.JSON(cmd.Context(), http.MethodGet, path+"/deliveries?limit=20", nil, &page)
				}
				if err != nil {
					return err
				}
				shown.Deliveries = page.Items
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), shown)
				}
				return writeWebhook(cmd.OutOrStdout(), &shown.Webhook, shown.Deliveries)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func writeWebhook(out io.Writer, w *api.Webhook, latest []api.WebhookDelivery) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"url", w.Url}, {"description", w.Description}, {"types", strings.Join(w.Types, " ")}, {"status", string(w.Status)}, {"why", w.PausedReason},
		{"waiting", fmt.Sprint(w.Waiting)}, {"delivered", day(w.DeliveredAt.Time)}, {"failing since", day(w.FailingSince.Time)}, {"last error", w.LastError},
	} {
		if row[1] != "" {
			fmt.Fprintf(table, "%s\t%s\n", row[0], row[1])
		}
	}
	fmt.Fprintln(table, "\nNUMBER\tEVENT\tTYPE\tSTATE\tTRIES\tNEXT TRY\tLAST ERROR")
	for _, d := range latest {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%d\t%s\t%s\n", d.Number, d.MessageId, d.Type, d.State, d.Tries, day(d.DueAt.Time), d.LastError)
	}
	return table.Flush()
}

func newWebhookResume(t *tool) *cobra.Command {
	return &cobra.Command{
		Use:               "resume ID",
		Short:             "Tell an endpoint again that was paused",
		Long:              `Tells an endpoint again that was paused, beginning with what has waited for it. One that is not paused has everything that waits tried at once.`,
		Example:           `  tidegate webhook resume 7240126464000001`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: t.completeWebhooks,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *app.Shop) error {
				return shop.JSON(cmd.Context(), http.MethodPost, webhooksPath+"/"+pathSegment(args[0])+"/resume", nil, nil)
			})
		},
	}
}

func newWebhookRotate(t *tool) *cobra.Command {
	return &cobra.Command{
		Use:   "rotate ID",
		Short: "Give an endpoint a new secret and print it, this once",
		Long: `Gives an endpoint a new secret, and prints it. For a day what it is told is signed by the secret before as well, so that
the receiver can be given the new one meanwhile. Nobody can print it again.`,
		Example:           `  tidegate webhook rotate 7240126464000001`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: t.completeWebhooks,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *app.Shop) error {
				var rotated api.CreatedWebhook
				err := shop.JSON(cmd.Context(), http.MethodPost, webhooksPath+"/"+pathSegment(args[0])+"/secret", nil, &rotated)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "secret  %s\n", rotated.Secret)
				return err
			})
		},
	}
}

func newWebhookDelete(t *tool) *cobra.Command {
	return &cobra.Command{
		Use:               "delete ID",
		Short:             "Tell an address nothing any more",
		Long:              `Ends an endpoint. What waits for it is dropped.`,
		Example:           `  tidegate webhook delete 7240126464000001`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: t.completeWebhooks,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *app.Shop) error { return deleteWebhook(cmd.Context(), shop, args[0]) })
		},
	}
}

func deleteWebhook(ctx context.Context, shop *app.Shop, endpoint string) error {
	return shop.JSON(ctx, http.MethodDelete, webhooksPath+"/"+pathSegment(endpoint), nil, nil)
}

// completeWebhooks offers the ids of the endpoints there are.
func (t *tool) completeWebhooks(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var offers []string
	err := t.onShop(cmd, func(shop *app.Shop) error {
		all, err := webhooks(cmd.Context(), shop)
		for _, w := range all {
			offers = append(offers, w.Id.String()+"\t"+w.Url)
		}
		return err
	})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

const webhooksPath = "/v1/admin/webhooks"

func newWebhook(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "Send events to other systems, and see how deliveries go",
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
		Long:    `Registers an address, and prints the secret that signs its deliveries. The shop cannot show it again.`,
		Example: `  tidegate webhook create https://warehouse.example.com/hooks --type order.paid.v1 --description "Warehouse"`,
		Args:    exactArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				in.Url = args[0]
				created, err := createWebhook(cmd.Context(), shop, in)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), created)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "id      %s\nsecret  %s\n", created.Id, text.Visible(created.Secret))
				return err
			})
		},
	}
	cmd.Flags().StringSliceVar(&in.EventTypes, "type", []string{"*"}, "an event that it wants, such as order.paid.v1; may be given more than once; * is all of them")
	cmd.Flags().BoolVar(&in.IncludeRehearsals, "rehearsals", false, "tell it of rehearsals as well, marked with \"rehearsal\": true; otherwise they are left out")
	cmd.Flags().StringVar(&in.Description, "description", "", "whose it is")
	cmd.Flags().StringVar(&in.Secret, "secret", "", "whsec_ and 24 to 64 bytes in base64; made where empty")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func createWebhook(ctx context.Context, shop *adminclient.Client, in api.WebhookInput) (created api.CreatedWebhook, err error) {
	return created, shop.JSON(ctx, http.MethodPost, webhooksPath, in, &created)
}

func newWebhookList(t *tool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the endpoints and the state of their deliveries",
		Example: `  tidegate webhook list --json | jq -r '.[] | select(.status == "paused") | .url'`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
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

func webhooks(ctx context.Context, shop *adminclient.Client) ([]api.Webhook, error) {
	var list api.WebhookList
	err := shop.JSON(ctx, http.MethodGet, webhooksPath, nil, &list)
	return list.Items, err
}

func tableOfWebhooks(out io.Writer, all []api.Webhook) error {
	table := text.NewTable(out, "ID", "STATUS", "WAITING", "DELIVERED", "FAILING SINCE", "TYPES", "URL")
	for _, w := range all {
		table.Row(w.Id, w.Status, w.PendingDeliveries, day(w.LastDeliveredAt.Time), day(w.FailingSince.Time), strings.Join(w.EventTypes, " "), w.Url)
	}
	return table.Flush()
}

func newWebhookShow(t *tool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "show ID",
		Short:             "Show an endpoint with its latest deliveries",
		Example:           `  tidegate webhook show 7240126464000001`,
		Args:              exactArgs,
		ValidArgsFunction: t.completeWebhooks,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
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
	table := text.NewTable(out)
	rehearsals := "left out"
	if w.IncludeRehearsals {
		rehearsals = "told, marked"
	}
	for _, row := range [][2]string{
		{"url", w.Url}, {"description", w.Description}, {"types", strings.Join(w.EventTypes, " ")}, {"rehearsals", rehearsals}, {"status", string(w.Status)}, {"why", w.PausedReason},
		{"waiting", fmt.Sprint(w.PendingDeliveries)}, {"delivered", day(w.LastDeliveredAt.Time)}, {"failing since", day(w.FailingSince.Time)}, {"last error", w.LastError},
	} {
		if row[1] != "" {
			table.Row(row[0], row[1])
		}
	}
	table.Head("NUMBER", "EVENT", "TYPE", "STATE", "TRIES", "NEXT TRY", "LAST ERROR")
	for _, d := range latest {
		table.Row(d.Number, d.MessageId, d.Type, d.Status, d.Attempts, day(d.NextAttemptAt.Time), d.LastError)
	}
	return table.Flush()
}

func newWebhookResume(t *tool) *cobra.Command {
	return &cobra.Command{
		Use:   "resume ID",
		Short: "Resume a paused endpoint",
		Long: `Resumes a paused endpoint, beginning with the deliveries that have waited. For an endpoint that is not paused
it retries all waiting deliveries immediately.`,
		Example:           `  tidegate webhook resume 7240126464000001`,
		Args:              exactArgs,
		ValidArgsFunction: t.completeWebhooks,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
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
		Args:              exactArgs,
		ValidArgsFunction: t.completeWebhooks,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				var rotated api.CreatedWebhook
				err := shop.JSON(cmd.Context(), http.MethodPost, webhooksPath+"/"+pathSegment(args[0])+"/secret", nil, &rotated)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "secret  %s\n", text.Visible(rotated.Secret))
				return err
			})
		},
	}
}

func newWebhookDelete(t *tool) *cobra.Command {
	return &cobra.Command{
		Use:               "delete ID",
		Short:             "Delete an endpoint",
		Long:              `Deletes an endpoint and drops its waiting deliveries.`,
		Example:           `  tidegate webhook delete 7240126464000001`,
		Args:              exactArgs,
		ValidArgsFunction: t.completeWebhooks,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error { return deleteWebhook(cmd.Context(), shop, args[0]) })
		},
	}
}

func deleteWebhook(ctx context.Context, shop *adminclient.Client, endpoint string) error {
	return shop.JSON(ctx, http.MethodDelete, webhooksPath+"/"+pathSegment(endpoint), nil, nil)
}

// completeWebhooks offers the ids of the endpoints there are.
func (t *tool) completeWebhooks(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return t.complete(func(ctx context.Context, shop *adminclient.Client) ([]string, error) {
		all, err := webhooks(ctx, shop)
		offers := make([]string, len(all))
		for i := range all {
			offers[i] = all[i].Id.String() + "\t" + all[i].Url
		}
		return offers, err
	})(cmd, args, typed)
}

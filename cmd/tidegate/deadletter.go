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

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

const deadLettersPath = "/v1/admin/dead-letters"

func newDeadLetter(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletter",
		Short: "Show, replay or drop events that consumers failed on for good",
		Long: `A consumer (webhooks, notifications, points) that fails ten times on an event makes it a dead letter, with
the reason, and goes on with later events. A dead letter stays until you replay or drop it.

The commands need the role all. A dead letter is named by its number, or, with --group and --all, with all others of a group.`,
		Example: `  tidegate deadletter list
  tidegate deadletter show 7
  tidegate deadletter replay 7 8
  tidegate deadletter drop --group webhook --all`,
		Args: cobra.NoArgs,
		RunE: showHelp,
	}
	addTargetFlags(cmd)
	cmd.AddCommand(newDeadLetterList(t), newDeadLetterShow(t),
		newDeadLetterEnd(t, "replay", "Deliver dead letters to their groups again", "Delivers dead letters to their groups again, as new: mend what made them fail first.", "replayed",
			func(ctx context.Context, shop *adminclient.Client, number string) error {
				return shop.JSON(ctx, http.MethodPost, deadLettersPath+"/"+number+"/replay", nil, nil)
			}),
		newDeadLetterEnd(t, "drop", "Drop dead letters for good", "Drops dead letters: their effects will not happen.", "dropped",
			func(ctx context.Context, shop *adminclient.Client, number string) error {
				return shop.JSON(ctx, http.MethodDelete, deadLettersPath+"/"+number, nil, nil)
			}))
	return cmd
}

func newDeadLetterList(t *tool) *cobra.Command {
	var group string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the dead letters, oldest first",
		Example: `  tidegate deadletter list --group webhook --json | jq '.[].reason'`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				all, err := deadLetters(cmd.Context(), shop, group)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), all)
				}
				return tableOfLetters(cmd.OutOrStdout(), all)
			})
		},
	}
	cmd.Flags().StringVar(&group, "group", "", "only those of this group, such as webhook")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// deadLettersMax bounds what one command reads: whoever has more looks at a group, or at the reason they share.
const deadLettersMax = 10_000

// deadLetters reads every page of a list.
func deadLetters(ctx context.Context, shop *adminclient.Client, group string) ([]api.DeadLetter, error) {
	all := []api.DeadLetter{}
	ask := url.Values{"limit": {"200"}}
	if group != "" {
		ask.Set("consumer_group", group)
	}
	for len(all) < deadLettersMax {
		var page api.DeadLetterPage
		if err := shop.JSON(ctx, http.MethodGet, deadLettersPath+"?"+ask.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextCursor == "" {
			break
		}
		ask.Set("cursor", page.NextCursor)
	}
	return all, nil
}

func tableOfLetters(out io.Writer, all []api.DeadLetter) error {
	table := text.NewTable(out, "NUMBER", "GROUP", "TYPE", "ABOUT", "TRIES", "GIVEN UP", "REASON")
	for _, l := range all {
		reason := []rune(l.LastError)
		if len(reason) > 80 {
			reason = append(reason[:79], '…')
		}
		table.Row(l.Number, l.ConsumerGroup, l.Type, l.Key, l.Attempts, day(l.FailedAt.Time), string(reason))
	}
	return table.Flush()
}

func newDeadLetterShow(t *tool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "show NUMBER",
		Short:             "Show a dead letter with its event and the whole reason",
		Example:           `  tidegate deadletter show 7`,
		Args:              exactArgs,
		ValidArgsFunction: t.completeLetters,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkLetters(args); err != nil {
				return err
			}
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				var l api.DeadLetter
				if err := shop.JSON(cmd.Context(), http.MethodGet, deadLettersPath+"/"+args[0], nil, &l); err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), l)
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "number    %d\ngroup     %s\nevent     %s, position %d, about %s\nhappened  %s\ngiven up  %s, after %d tries\npayload   %s\nreason    %s\n",
					l.Number, text.Visible(l.ConsumerGroup), text.Visible(l.Type), l.MessageId, text.Visible(l.Key), day(l.OccurredAt.Time), day(l.FailedAt.Time), l.Attempts, text.Visible(string(l.Payload)),
					strings.ReplaceAll(l.LastError, "\n", "\n          "))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// newDeadLetterEnd makes a command that ends dead letters in one way or the other.
func newDeadLetterEnd(t *tool, name, short, long, done string, end func(ctx context.Context, shop *adminclient.Client, number string) error) *cobra.Command {
	var group string
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:               name + " NUMBER... | --group GROUP --all",
		Short:             short,
		Long:              long,
		Example:           "  tidegate deadletter " + name + " 7 8\n  tidegate deadletter " + name + " --group webhook --all",
		ValidArgsFunction: t.completeLetters,
		RunE: func(cmd *cobra.Command, numbers []string) error {
			if byGroup := all && group != ""; byGroup == (len(numbers) > 0) || all != (group != "") {
				return usageError{errors.New("name dead letters by their numbers, or a whole group with --group and --all")}
			}
			if err := checkLetters(numbers); err != nil {
				return err
			}
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				if group != "" {
					found, err := deadLetters(cmd.Context(), shop, group)
					if err != nil {
						return err
					}
					for _, l := range found {
						numbers = append(numbers, strconv.FormatInt(l.Number, 10))
					}
				}
				ended := make([]int64, 0, len(numbers))
				for _, number := range numbers {
					if err := end(cmd.Context(), shop, number); err != nil {
						return fmt.Errorf("dead letter %s: %w (%d of %d were %s)", number, err, len(ended), len(numbers), done)
					}
					n, _ := strconv.ParseInt(number, 10, 64) // checked above
					ended = append(ended, n)
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), map[string][]int64{done: ended})
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d %s\n", len(ended), done)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&group, "group", "", "the group whose dead letters are meant, with --all")
	cmd.Flags().BoolVar(&all, "all", false, "every dead letter of the group")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// checkLetters refuses what is no number of a dead letter.
func checkLetters(numbers []string) error {
	for _, n := range numbers {
		if v, err := strconv.ParseInt(n, 10, 64); err != nil || v < 1 || strings.HasPrefix(n, "+") {
			return usageError{fmt.Errorf("a dead letter is named by its number, such as 7, not %q", n)}
		}
	}
	return nil
}

// completeLetters offers the numbers of the dead letters there are.
func (t *tool) completeLetters(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var offers []string
	err := t.onShop(cmd, func(shop *adminclient.Client) error {
		all, err := deadLetters(cmd.Context(), shop, "")
		for _, l := range all {
			offers = append(offers, fmt.Sprintf("%d\t%s %s", l.Number, text.Visible(l.ConsumerGroup), text.Visible(l.Type)))
		}
		return err
	})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return offers, cobra.ShellCompDirectiveNoFileComp
}

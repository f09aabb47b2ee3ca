package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

const settingsPath = "/v1/admin/settings"

// splitSettings reads KEY=VALUE arguments.
func splitSettings(args []string) (map[string]string, error) {
	set := map[string]string{}
	for _, arg := range args {
		key, value, found := strings.Cut(arg, "=")
		if !found || key == "" {
			return nil, usageError{fmt.Errorf("write a setting as KEY=VALUE, such as log.level=debug, not %q", arg)}
		}
		if _, twice := set[key]; twice {
			return nil, usageError{fmt.Errorf("%s is set twice", key)}
		}
		set[key] = value
	}
	return set, nil
}

func newConfigSet(t *tool) *cobra.Command {
	var unset []string
	var reason string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "set KEY=VALUE... [--unset KEY]...",
		Short: "Change live settings while the shop runs",
		Long: `Changes live settings, all of them or none, in every process of the shop within a second. The change goes over the file, the
environment and flags, and outlasts restarts. --unset has a setting be what those say again. "tidegate config" says
which settings are live. The command needs the role all.

Exit status 2 means that a value is not allowed; each is named with what would be right.`,
		Example: `  tidegate config set http.rate_limit.customer_per_second=5 http.rate_limit.customer_burst=10 --reason "a crowd of bots"
  tidegate config set log.level=debug --reason "looking for lost mails"
  tidegate config set --unset log.level --reason "found them"`,
		ValidArgsFunction: t.completeLive("="),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := splitSettings(args)
			if err != nil {
				return err
			}
			if len(set)+len(unset) == 0 {
				return usageError{errors.New("say what to change: KEY=VALUE, or --unset KEY")}
			}
			if reason == "" {
				return usageError{errors.New("say why, with --reason")}
			}
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				var changed api.SettingChange
				in := api.SettingsInput{Set: set, Unset: unset, Reason: reason}
				if err := shop.JSON(cmd.Context(), http.MethodPatch, settingsPath, in, &changed); err != nil {
					return err
				}
				return writeSettingChange(cmd.OutOrStdout(), &changed, asJSON)
			})
		},
	}
	cmd.Flags().StringSliceVar(&unset, "unset", nil, "setting that is to be what the file, the environment, flags and defaults say; may be given more than once")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the history and the audit log; required")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.RegisterFlagCompletionFunc("unset", t.completeLive(""))
	return cmd
}

func newConfigUndo(t *tool) *cobra.Command {
	var reason string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "undo [NUMBER]",
		Short: "Take back the newest change of live settings that stands",
		Long: `Takes back the newest change of live settings that stands; asked again, the one before it. With the NUMBER that
"tidegate config history" shows it takes back that change alone, and only if it is the newest that stands: so the command
can be repeated when its answer was lost. The command needs the role all.`,
		Example: `  tidegate config undo --reason "the bots have left"
  tidegate config undo 7 --reason "the bots have left"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.SettingsUndoInput{Reason: reason}
			if len(args) == 1 {
				n, err := strconv.ParseInt(args[0], 10, 64)
				if err != nil || n < 1 {
					return usageError{fmt.Errorf("a change is named by its number, such as 7, not %q", args[0])}
				}
				in.Number = n
			}
			if reason == "" {
				return usageError{errors.New("say why, with --reason")}
			}
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				var changed api.SettingChange
				if err := shop.JSON(cmd.Context(), http.MethodPost, settingsPath+"/undo", in, &changed); err != nil {
					return err
				}
				return writeSettingChange(cmd.OutOrStdout(), &changed, asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the history and the audit log; required")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newConfigHistory(t *tool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the changes of live settings, newest first",
		Long: `Lists what was changed in the live settings, when, by whom and why, the newest first, 1000 at most. The command needs the
role all.`,
		Example: `  tidegate config history
  tidegate config history --json | jq -r '.[0].reason'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				all, err := settingChanges(cmd.Context(), shop)
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), all)
				}
				table := text.NewTable(cmd.OutOrStdout(), "NUMBER", "AT", "BY", "WHAT", "REASON")
				for i := range all {
					c := &all[i]
					table.Row(c.Number, day(c.CreatedAt.Time), c.Actor, settingChangeInWords(c), c.Reason)
				}
				return table.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// settingChangesMax bounds what one command reads.
const settingChangesMax = 1000

func settingChanges(ctx context.Context, shop *adminclient.Client) ([]api.SettingChange, error) {
	return listOf[api.SettingChange](ctx, shop, settingsPath+"/changes", url.Values{}, settingChangesMax)
}

// settingChangeInWords says what a change did.
func settingChangeInWords(c *api.SettingChange) string {
	var words []string
	if c.Undoes != 0 {
		words = append(words, fmt.Sprintf("undo of %d:", c.Undoes))
	}
	for _, path := range slices.Sorted(maps.Keys(c.Set)) {
		word := path + "=" + c.Set[path]
		if before, there := c.Before[path]; there {
			word += " (was " + before + ")"
		}
		words = append(words, word)
	}
	for _, path := range c.Unset {
		words = append(words, path+" unset (was "+c.Before[path]+")")
	}
	return strings.Join(words, " ")
}

func writeSettingChange(w io.Writer, c *api.SettingChange, asJSON bool) error {
	if asJSON {
		return writeJSON(w, c)
	}
	_, err := fmt.Fprintf(w, "change %d: %s\n", c.Number, text.Visible(settingChangeInWords(c)))
	return err
}

// completeLive offers the live settings, with what belongs behind them.
func (t *tool) completeLive(behind string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		_, tree, err := t.config()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var offers []string
		for _, s := range tree.Settings() {
			if s.Live {
				offers = append(offers, s.Path+behind+"\t"+s.Help)
			}
		}
		return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// writeRunningSettings prints the settings that a running shop goes by.
func writeRunningSettings(ctx context.Context, w io.Writer, shop *adminclient.Client, asJSON bool) error {
	var state api.Settings
	if err := shop.JSON(ctx, http.MethodGet, settingsPath, nil, &state); err != nil {
		return err
	}
	if asJSON {
		return writeJSON(w, state.Items)
	}
	table := text.NewTable(w, "KEY", "VALUE", "LIVE", "FROM")
	for _, s := range state.Items {
		from, live, value := string(s.Origin), "no", s.Value
		if s.Source != "" {
			from = s.Source
		}
		if s.Below != nil && s.Below.Source != "" {
			from += ", over " + s.Below.Source
		}
		if s.Live {
			live = "yes"
		}
		if value == "" {
			value = `""`
		}
		table.Row(s.Path, value, live, from)
	}
	return table.Flush()
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

// exactArgs takes one argument for each name in a command's Use line, and says which one is missing.
func exactArgs(cmd *cobra.Command, args []string) error {
	want := strings.Fields(cmd.Use)[1:]
	line := cmd.CommandPath() + " " + strings.Join(want, " ")
	switch {
	case len(args) < len(want):
		return fmt.Errorf("%s is missing: %s", want[len(args)], line)
	case len(args) > len(want):
		return fmt.Errorf("%q is one argument too many: %s", args[len(want)], line)
	}
	return nil
}

// deed is what the commands share that change what shoppers feel: why, and whether the operator is sure.
type deed struct {
	tool    *tool
	reason  string
	yes     bool
	require bool // a reason
}

// addDeedFlags adds --reason and --yes to a command.
func (t *tool) addDeedFlags(cmd *cobra.Command, reasonRequired bool) *deed {
	d := &deed{tool: t, require: reasonRequired}
	usage := "why, for the audit log"
	if reasonRequired {
		usage += "; required"
	}
	cmd.Flags().StringVar(&d.reason, "reason", "", usage)
	cmd.Flags().BoolVar(&d.yes, "yes", false, "do it without asking")
	return d
}

// confirm asks the operator on a terminal, unless --yes was given. It returns a usage error without a reason that is required, and where nobody
// can be asked.
func (d *deed) confirm(cmd *cobra.Command, question string) error {
	if d.require && strings.TrimSpace(d.reason) == "" {
		return usageError{errors.New("say why, with --reason: the audit log keeps it")}
	}
	if d.yes {
		return nil
	}
	stdin, ok := cmd.InOrStdin().(*os.File)
	if !ok || !isTerminal(stdin) || !isTerminal(d.tool.terminal) {
		return usageError{fmt.Errorf("%s Say --yes if you are sure", question)}
	}
	fmt.Fprintf(d.tool.terminal, "%s [y/N] ", text.Visible(question))
	answer, _ := bufio.NewReader(stdin).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}

// pageMax is the longest page of a list.
const pageMax = 200

// listOf reads a list of the admin API, newest first, at most max entries.
func listOf[T any](ctx context.Context, shop *adminclient.Client, path string, query url.Values, max int) ([]T, error) {
	all := []T{}
	for len(all) < max {
		var page struct {
			Items      []T    `json:"items"`
			NextCursor string `json:"next_cursor"`
		}
		query.Set("limit", strconv.Itoa(min(max-len(all), pageMax)))
		if err := shop.JSON(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextCursor == "" {
			break
		}
		query.Set("cursor", page.NextCursor)
	}
	return all, nil
}

// listDefault is how many entries a list shows unless --limit says otherwise.
const listDefault = 50

// listCommand makes a command list a path of the admin API, with --limit and --json. filters are the query's parameters; empty ones are left
// out.
func listCommand[T any](t *tool, cmd *cobra.Command, path string, filters map[string]*string, table func(io.Writer, []T) error) *cobra.Command {
	var limit int
	var asJSON bool
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if limit < 1 {
			return usageError{errors.New("--limit must be at least 1")}
		}
		query := url.Values{}
		for name, value := range filters {
			if *value != "" {
				query.Set(name, *value)
			}
		}
		return t.onShop(cmd, func(shop *adminclient.Client) error {
			all, err := listOf[T](cmd.Context(), shop, path, query, limit)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), all)
			}
			return table(cmd.OutOrStdout(), all)
		})
	}
	cmd.Flags().IntVar(&limit, "limit", listDefault, "how many at most")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// complete returns a completion of the first argument by what the shop lists: an id, a tab, and what it is.
func (t *tool) complete(list func(ctx context.Context, shop *adminclient.Client) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var offers []string
		err := t.onShop(cmd, func(shop *adminclient.Client) (err error) {
			offers, err = list(cmd.Context(), shop)
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		for i, offer := range offers {
			id, what, _ := strings.Cut(offer, "\t")
			offers[i] = text.Visible(id) + "\t" + text.Visible(what)
		}
		return offers, cobra.ShellCompDirectiveNoFileComp
	}
}

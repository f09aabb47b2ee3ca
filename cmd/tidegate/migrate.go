package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/internal/app"
)

func newMigrate(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Look at the database's schema, or bring it up to date",
		Long: `"serve" migrates by itself. Use these commands to look first, or to migrate while nobody waits.
They work on a folder that no process holds.`,
		Args: cobra.NoArgs,
		RunE: showHelp,
	}
	cmd.AddCommand(newMigrateStatus(t), newMigrateUp(t))
	return cmd
}

func newMigrateStatus(t *tool) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Print the schema's version and the newest that this binary knows",
		Long:    `Prints the schema's version and the newest that this binary knows. Exit status 1 means that they differ.`,
		Example: `  tidegate migrate status --data /var/lib/shop`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := t.config()
			if err != nil {
				return err
			}
			s, err := app.MigrateStatus(cmd.Context(), c)
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(s)
			} else {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "schema version %d, newest known %d\n", s.Version, s.Latest)
			}
			if err == nil && s.Version != s.Latest {
				return errFound
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newMigrateUp(t *tool) *cobra.Command {
	return &cobra.Command{
		Use:     "up",
		Short:   "Bring the schema to the newest version",
		Long:    `Brings the schema to the newest version that this binary knows, one transaction for each step: after a crash, run it again.`,
		Example: `  tidegate migrate up --data /var/lib/shop`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := t.config()
			if err != nil {
				return err
			}
			before, after, err := app.MigrateUp(cmd.Context(), c)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "schema version %d, was %d\n", after.Version, before.Version)
			return err
		},
	}
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/internal/adminclient"
)

func newExport(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Take data out of the shop",
		Args:  cobra.NoArgs,
		RunE:  showHelp,
	}
	addTargetFlags(cmd)
	cmd.AddCommand(newExportProducts(t))
	return cmd
}

func newExportProducts(t *tool) *cobra.Command {
	var out string
	var excel bool
	cmd := &cobra.Command{
		Use:   "products",
		Short: "Write every product as CSV, in the columns that the import takes",
		Long: `Writes every product, drafts too, as CSV in the shop's own columns, which "tidegate import products" describes and takes:
an export that is imported changes nothing. Cells that a spreadsheet would calculate, such as =SUM(A1), have a ' before them, which the
import takes off. The command needs the role catalog.`,
		Example: `  tidegate export products > products.csv
  tidegate export products --out products.csv
  tidegate export products --excel --out products.csv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				switch {
				case out != "":
					return exportTo(cmd, shop, out, excel)
				case isTerminal(t.stdout):
					return shop.ExportProducts(cmd.Context(), cmd.OutOrStdout(), excel)
				}
				return shop.ExportProducts(cmd.Context(), t.stdout, excel)
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write; default: standard output")
	cmd.Flags().BoolVar(&excel, "excel", false, "begin with the mark by which Excel reads the file as UTF-8")
	return cmd
}

// exportTo writes the export beside the file and puts it in its place when it is whole.
func exportTo(cmd *cobra.Command, shop *adminclient.Client, name string, excel bool) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("cannot write the export: %w", err)
	}
	err = errors.Join(shop.ExportProducts(cmd.Context(), f, excel), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

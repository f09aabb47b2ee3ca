package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/app"
)

func newImport(t *tool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Bring data into the shop",
		Args:  cobra.NoArgs,
		RunE:  showHelp,
	}
	addTargetFlags(cmd)
	cmd.AddCommand(newImportProducts(t))
	return cmd
}

const importProductsLong = `Imports products from a file in the shop's own columns, or from Shopify's product export; its header tells which.
The file is UTF-8, separated by commas. The rows of one product share its handle and follow each other.

The shop's own columns, of which handle, title, sku and price are required:

  handle           names the product in addresses, such as blue-mug
  title, description
  status           draft or published; empty is draft
  brand            its title
  categories       Home > Mugs | Gifts
  attributes       Material=Stoneware | Care=Dishwasher
  pictures         https://example.com/a.jpg | https://example.com/b.jpg
  picture_alts     what the pictures show, in the same order
  option1_name     what the variants differ in, such as Colour; also option2_name and option3_name
  option1_value    this variant's; also option2_value and option3_value
  sku              the variant's stock code
  price            12.50
  currency         where given, the shop's own

Each row is a variant; what concerns the whole product stands on its first row. Brands and categories that do not exist are
made. A product that exists, by its handle, is written over, but for the columns that the file does not have. In lists a
backslash takes the meaning of | and = away.

The same file twice changes nothing, and an import that was broken off goes on with the same file. A product with a row
that cannot be taken is refused as a whole; refused rows are written to FILE.refused.csv with their lines and reasons, and
that file can be corrected and imported. Stock is not imported.

Exit status 1 says that rows were refused. The command needs the role catalog.`

func newImportProducts(t *tool) *cobra.Command {
	var dryRun, asJSON bool
	cmd := &cobra.Command{
		Use:   "products FILE.csv",
		Short: "Import products from a CSV file, plain or gzipped",
		Long:  importProductsLong,
		Example: `  tidegate import products products.csv --dry-run
  tidegate import products shopify-export.csv.gz`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *app.Shop) error {
				i := &app.ProductImport{File: args[0], DryRun: dryRun}
				clear := func() {}
				if !asJSON && isTerminal(t.stderr) {
					i.Progress = func(p api.ImportProgress, total int64) {
						fmt.Fprintf(t.stderr, "\r%d rows, %d products, %d%%\x1b[K", p.Rows, p.Products, p.Bytes*100/max(total, 1))
					}
					clear = func() { fmt.Fprint(t.stderr, "\r\x1b[K") }
				}
				report, err := i.Run(cmd.Context(), shop)
				clear()
				if i.Refused != "" {
					fmt.Fprintf(t.stderr, "refused rows were written to %s\n", i.Refused)
				}
				if err != nil {
					return err
				}
				if asJSON {
					err = writeJSON(cmd.OutOrStdout(), report)
				} else {
					err = printImport(cmd.OutOrStdout(), report)
				}
				if err == nil && report.Refused > 0 {
					return errFound
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "find out what would happen, and change nothing")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printImport(w io.Writer, r api.ImportReport) error {
	done := "Imported"
	if r.DryRun {
		done = "Would import"
	}
	_, err := fmt.Fprintf(w, "%s %d rows: %d products created, %d updated, %d unchanged; %d rows refused.\n", done, r.Rows, r.Created, r.Updated, r.Unchanged, r.Refused)
	for _, note := range r.Notes {
		_, err = fmt.Fprintln(w, note)
	}
	return err
}

package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/kernel/text"
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

const importProductsLong = `Imports products from a file in the shop's own columns, or from the product export of Shopify, WooCommerce or Medusa; its header tells
which. Of any other file --map says which column is which of the shop's own: --map "Item name=title" --map "Code=sku"; one that is
mapped to nothing is left out. --inspect says what was recognised, and changes nothing.

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

Each row is a variant; what concerns the whole product stands on one of its rows, which may stand anywhere in the file. Brands and
categories that do not exist are made. A product that exists, by its handle, is written over, but for the columns that the file does
not have. In lists a backslash takes the meaning of | away, in the names of attributes that of =. A ' before a cell that a spreadsheet
would calculate is no part of it. Handles and stock codes that another shop's file does not have are made, always the same.

The file is separated by commas, semicolons or tabs. Its encoding is told by its mark, or because all of it is UTF-8; else it is
recognised where it can only be GB18030, Big5 or Windows-1252, and the report says so, or --encoding says it. A file that is
none of these is refused as a whole.

The whole file is read before anything is written. The same file twice changes nothing, and an import that was broken off goes on
with the same file. A product with a row that cannot be taken, or with a stock code or a handle that another product of the file has
too, is refused as a whole; refused rows are written to FILE.refused.csv with their lines and reasons, and that file can be corrected
and imported. Columns that are not imported are named with how many rows have them, and so is everything that a product had and has
no longer: variants, pictures, categories. --dry-run tells all that before. Stock is not imported.

A price of zero is refused, for it may be a slip, unless --allow-free says that it is meant or the variant is free already.

Exit status 1 says that rows were refused. The command needs the role catalog.`

func newImportProducts(t *tool) *cobra.Command {
	var asJSON bool
	i := &adminclient.ProductImport{}
	cmd := &cobra.Command{
		Use:   "products FILE.csv",
		Short: "Import products from a CSV file, plain or gzipped",
		Long:  importProductsLong,
		Example: `  tidegate import products products.csv --dry-run
  tidegate import products shopify-export.csv.gz
  tidegate import products plain.csv --map "Item name=title" --map "Net=price" --inspect
  tidegate import products old.csv --encoding gb18030`,
		Args: exactArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.onShop(cmd, func(shop *adminclient.Client) error {
				i.File = args[0]
				return t.importProducts(cmd, shop, i, asJSON)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&i.DryRun, "dry-run", false, "find out what would happen, and change nothing")
	f.BoolVar(&i.AllowFree, "allow-free", false, "take prices of zero")
	f.BoolVar(&i.Inspect, "inspect", false, "say what was recognised of the file, and change nothing")
	f.StringVar(&i.Encoding, "encoding", "", "what the file is in, such as gb18030, big5 or windows-1252; default: told by the file")
	f.StringArrayVar(&i.Map, "map", nil, "column=field: which column is which of the shop's own; may be repeated")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (t *tool) importProducts(cmd *cobra.Command, shop *adminclient.Client, i *adminclient.ProductImport, asJSON bool) error {
	clear := func() {}
	if !asJSON && isTerminal(t.terminal) {
		i.Progress = func(p api.ImportProgress, total int64) {
			fmt.Fprintf(t.terminal, "\r%d rows, %d products, %d%%\x1b[K", p.Rows, p.Products, p.Bytes*100/max(total, 1))
		}
		clear = func() { fmt.Fprint(t.terminal, "\r\x1b[K") }
	}
	report, err := i.Run(cmd.Context(), shop)
	clear()
	if i.Refused != "" {
		fmt.Fprintf(t.stderr, "refused rows were written to %s\n", i.Refused)
	}
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	switch {
	case i.Inspect && asJSON:
		return writeJSON(out, i.Recognised)
	case i.Inspect:
		return printFile(out, &i.Recognised)
	case asJSON:
		err = writeJSON(out, report)
	default:
		err = printImport(out, &report)
	}
	if err == nil && report.RejectedRows > 0 {
		return errFound
	}
	return err
}

// removalsShown bounds what is printed of what products have no longer; --json has the rest.
const removalsShown = 100

func printImport(w io.Writer, r *api.ImportReport) error {
	done, verb := "Imported", "Removed"
	if r.DryRun {
		done, verb = "Would import", "Would remove"
	}
	_, err := fmt.Fprintf(w, "%s %d rows: %d products created, %d updated, %d unchanged; %d rows refused.\n", done, r.Rows, r.Created, r.Updated, r.Unchanged, r.RejectedRows)
	if r.FreeProducts > 0 {
		_, err = fmt.Fprintf(w, "%d products have a price of zero.\n", r.FreeProducts)
	}
	for n, m := range r.Removed {
		if n == removalsShown {
			_, err = fmt.Fprintf(w, "%s %d more; --json lists them.\n", verb, r.RemovedValues-removalsShown)
			break
		}
		what := m.Kind
		if what == "sale" {
			what = "from sale, as a draft:"
		}
		_, err = fmt.Fprintf(w, "%s line %d, %s: %s %s\n", verb, m.Line, text.Visible(m.Handle), what, text.Visible(m.Value))
	}
	return printNotes(w, err, r.Notes)
}

func printNotes(w io.Writer, err error, notes []string) error {
	for _, note := range notes {
		_, err = fmt.Fprintln(w, text.Visible(note))
	}
	return err
}

// printFile says what was recognised of a file.
func printFile(w io.Writer, f *api.ImportFile) error {
	_, err := fmt.Fprintf(w, "Format: %s. Encoding: %s. Separated by: %s. %d rows, %d products.\n", f.Format, f.Encoding, f.Delimiter, f.Rows, f.Products)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COLUMN\tIS\tROWS THAT HAVE IT")
	for _, c := range f.Columns {
		field := c.Field
		if field == "" {
			field = "left out"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\n", text.Visible(c.Name), field, c.Rows)
	}
	return printNotes(w, errors.Join(err, table.Flush()), f.Notes)
}

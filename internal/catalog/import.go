package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Source reads products from a file that it has already read once completely. One goroutine uses it.
type Source interface {
	// Next returns the rows of the next product. It returns io.EOF at the end, and a fault if it cannot continue.
	Next() (Entry, error)
	// Progress returns the number of rows returned so far, and of the file's bytes read for them.
	Progress() (rows, bytes int64)
	// File returns what was recognised in the file.
	File() FileInfo
	// Column returns the file's name for a field of a product.
	Column(field string) string
}

// FileInfo describes what was recognised in a file.
type FileInfo struct {
	Format, Encoding, Separator string
	Header                      []string
	Columns                     []FileColumn
	Rows, Products              int64
	// Notes are sentences about what is not imported and what is doubtful.
	Notes []string
}

// FileColumn is a column of a file: its name, its field, and how many rows have a value. Field is empty if the column
// is ignored.
type FileColumn struct {
	Name, Field string
	Rows        int64
}

// Entry is the rows of one product, parsed or refused.
type Entry struct {
	Rows []Row
	Put  Put
	// VariantRows holds for each variant of Put the index of its row in Rows.
	VariantRows []int
	// Refusal, if not nil, is the reason why the rows were refused; RefusedRow is the index of the row at fault.
	Refusal    *fault.Error
	RefusedRow int
	Bytes      int
}

// Row is a row of a file.
type Row struct {
	Line   int64 // its first line; the header is line 1
	Fields []string
}

// RefusedRow is a row that was refused, with the reason.
type RefusedRow struct {
	Row
	Reason string
}

// ImportReport counts the results of an import.
type ImportReport struct {
	DryRun bool
	// Rows counts the rows read, without blank rows and the header.
	Rows int64
	// Created, Updated and Unchanged count products.
	Created, Updated, Unchanged int64
	// Refused counts rows.
	Refused int64
	// Removed counts what products have lost; Removals holds the first RemovalsMax of it.
	Removed  int64
	Removals []Removal
	// Free counts the accepted products that have a variant of price zero.
	Free int64
	// Notes are sentences about what is not imported and what is doubtful.
	Notes []string
}

// RemovalsMax bounds the removals in a report to what a person can read.
const RemovalsMax = 10_000

// ImportProgress is the progress of an import.
type ImportProgress struct {
	Rows, Products, Bytes int64
}

// ImportOptions says how to import.
type ImportOptions struct {
	// DryRun reports what would happen and changes nothing.
	DryRun bool
	// AllowFree accepts a price of zero for variants that are not free already.
	AllowFree bool
	// Refused, if not nil, gets every refused row, in the order of their products. Its error ends the import.
	Refused func(RefusedRow) error
	// Changed, if not nil, gets every product that is created or changed, or would be in a dry run, with its first
	// line, in the order of the file. Its error ends the import.
	Changed func(line int64, c Change) error
	// Progress, if not nil, is called after every batch. Its error ends the import.
	Progress func(ImportProgress) error
}

// importBatchBytesMax bounds the uncommitted rows, and so the import's memory.
const importBatchBytesMax = 8 << 20

// Import creates or replaces every product of a source, matched by handle. The file's values replace the product's;
// fields without a column in the file stay as they are. If one row of a product is invalid, all of its rows are
// refused, so that a bad row never removes a variant from sale. The report names everything that products lost.
//
// Import commits in batches. If it ends early, because of an error or because the process ends, committed batches stay
// and the report counts them. Importing the same file again continues from there. It returns the errors of the source
// and of the store.
func (s *Service) Import(ctx context.Context, src Source, o ImportOptions) (ImportReport, error) {
	i := importRun{service: s, source: src, options: o, report: ImportReport{DryRun: o.DryRun, Notes: src.File().Notes}}
	err := i.run(ctx)
	i.report.Rows, _ = src.Progress()
	return i.report, err
}

type importRun struct {
	service  *Service
	source   Source
	options  ImportOptions
	report   ImportReport
	batch    []Entry
	variants int
	bytes    int
	products int64
}

func (i *importRun) run(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return fault.Wrap(fault.TimedOut, err, "The import was ended early; what was committed stays, and the same file again goes on.")
		}
		e, err := i.source.Next()
		if errors.Is(err, io.EOF) {
			return i.flush(ctx)
		}
		if err != nil {
			// Entries read before the error are valid.
			return errors.Join(err, i.flush(ctx))
		}
		if err := i.take(ctx, e); err != nil {
			return err
		}
	}
}

// take adds an entry to the batch. It first commits a full batch.
func (i *importRun) take(ctx context.Context, e Entry) error {
	if e.Refusal == nil {
		if err := i.check(&e); err != nil {
			e.Refusal = fault.As(err)
			e.RefusedRow = e.rowOf(e.Refusal.Field)
		}
	}
	variants := len(e.Put.Product.Variants)
	if len(i.batch) == BatchProductsMax || i.variants+variants > BatchVariantsMax || i.bytes+e.Bytes > importBatchBytesMax {
		if err := i.flush(ctx); err != nil {
			return err
		}
	}
	i.batch = append(i.batch, e)
	i.variants += variants
	i.bytes += e.Bytes
	return nil
}

// check validates an entry as far as that is possible without the store.
func (i *importRun) check(e *Entry) error {
	for n, path := range e.Put.CategoryPaths {
		field := fmt.Sprintf("categories[%d]", n)
		if len(path) > CategoryDepthMax {
			return fault.Bad(field, "A category stands at most %d deep.", CategoryDepthMax)
		}
		for depth, title := range path {
			c := Category{Title: title, Handle: "any"}
			if err := c.Check(); err != nil {
				return fault.Bad(field, "%q is not a title of a category: %s", title, fault.As(err).Detail)
			}
			path[depth] = c.Title // normalised: the same title in another Unicode form is the same category
		}
	}
	if len(e.Put.CategoryPaths) > ProductCategoriesMax {
		return fault.Bad("categories", "There are %d; at most %d are allowed.", len(e.Put.CategoryPaths), ProductCategoriesMax)
	}
	if e.Put.BrandTitle != "" {
		b := Brand{Title: e.Put.BrandTitle, Handle: "any"}
		if err := b.Check(); err != nil {
			return fault.Bad("brand", "%s", fault.As(err).Detail)
		}
		e.Put.BrandTitle = b.Title
	}
	return e.Put.Product.Check(i.service.currency)
}

// rowOf returns the index of the row that a field of the product comes from.
func (e *Entry) rowOf(field string) int {
	index, _, _ := strings.Cut(strings.TrimPrefix(field, "variants["), "]")
	if n, err := strconv.Atoi(index); err == nil && strings.HasPrefix(field, "variants[") && n < len(e.VariantRows) {
		return e.VariantRows[n]
	}
	return 0
}

// flush commits the batch and reports its results in the order of the file.
func (i *importRun) flush(ctx context.Context) error {
	if len(i.batch) == 0 {
		return nil
	}
	var puts []Put
	for n := range i.batch {
		if i.batch[n].Refusal == nil {
			i.batch[n].Put.AllowFree = i.options.AllowFree
			puts = append(puts, i.batch[n].Put)
		}
	}
	var changes []Change
	if len(puts) > 0 {
		var err error
		if changes, err = i.service.write(ctx, puts, i.options.DryRun); err != nil {
			return err
		}
	}
	for n := range i.batch {
		e := &i.batch[n]
		if e.Refusal == nil {
			if err := i.count(ctx, e, changes[0]); err != nil {
				return err
			}
			changes = changes[1:]
		}
		if e.Refusal != nil {
			if err := i.refuse(e); err != nil {
				return err
			}
		}
	}
	i.products += int64(len(i.batch))
	i.batch, i.variants, i.bytes = i.batch[:0], 0, 0
	if i.options.Progress == nil {
		return nil
	}
	rows, bytes := i.source.Progress()
	return i.options.Progress(ImportProgress{Rows: rows, Products: i.products, Bytes: bytes})
}

func (i *importRun) count(ctx context.Context, e *Entry, c Change) error {
	switch c.Action {
	case Created:
		i.report.Created++
	case Updated:
		i.report.Updated++
		if err := i.removed(ctx, e, &c); err != nil {
			return err
		}
	case Unchanged:
		i.report.Unchanged++
	case Refused:
		e.Refusal, e.RefusedRow = c.Err, e.rowOf(c.Err.Field)
	}
	if slices.ContainsFunc(c.After.Variants, func(v Variant) bool { return v.Price.Minor == 0 }) { // accepted products only
		i.report.Free++
	}
	if i.options.Changed == nil || c.Action != Created && c.Action != Updated {
		return nil
	}
	return i.options.Changed(e.Rows[0].Line, c)
}

// removed records what a change removes from a product.
func (i *importRun) removed(ctx context.Context, e *Entry, c *Change) error {
	all, err := i.service.removals(ctx, &c.Before, &c.After)
	if err != nil {
		return err
	}
	for _, r := range all {
		r.Line = e.Rows[0].Line
		i.report.Removed++
		if len(i.report.Removals) < RemovalsMax {
			i.report.Removals = append(i.report.Removals, r)
		}
	}
	return nil
}

// refuse reports every row of an entry: the invalid row with the reason, the others with a reference to it.
func (i *importRun) refuse(e *Entry) error {
	i.report.Refused += int64(len(e.Rows))
	if i.options.Refused == nil {
		return nil
	}
	for n, row := range e.Rows {
		reason := fmt.Sprintf("The product was not taken because of line %d.", e.Rows[e.RefusedRow].Line)
		if n == e.RefusedRow {
			reason = e.Refusal.Detail
			if e.Refusal.Field != "" {
				reason = i.source.Column(column(e.Refusal.Field)) + ": " + reason
			}
		}
		if err := i.options.Refused(RefusedRow{Row: row, Reason: reason}); err != nil {
			return err
		}
	}
	return nil
}

// column turns a field of a product into the name that files' columns use for it.
func column(field string) string {
	variant := strings.HasPrefix(field, "variants[")
	if _, rest, ok := strings.Cut(field, "]."); ok && variant {
		field = rest
	}
	name, index, _ := strings.Cut(field, "[")
	n, _, _ := strings.Cut(index, "]")
	number, err := strconv.Atoi(n)
	switch {
	case name == "price.minor":
		return "price"
	case name == "price.currency":
		return "currency"
	case name == "options" && err == nil && variant:
		return fmt.Sprintf("option%d_value", number+1)
	case name == "options" && err == nil:
		return fmt.Sprintf("option%d_name", number+1)
	}
	return name
}

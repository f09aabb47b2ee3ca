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

// Source reads products from a file, all of which it has looked at before. It is used by one goroutine.
type Source interface {
	// Next returns the rows of the next product. It returns io.EOF at the end, and a fault where it cannot go on.
	Next() (Entry, error)
	// Progress returns how many rows were given out, and what part of the file's bytes that is.
	Progress() (rows, bytes int64)
	// File returns what was recognised of the file.
	File() FileInfo
	// Column returns what the file calls a field of a product.
	Column(field string) string
}

// FileInfo is what was recognised of a file.
type FileInfo struct {
	Format, Encoding, Separator string
	Header                      []string
	Columns                     []FileColumn
	Rows, Products              int64
	// Notes says, in sentences, what of the file is not imported, and what is in doubt.
	Notes []string
}

// FileColumn is a column of a file: its name, the field that it is, empty where it is left out, and how many rows have something in it.
type FileColumn struct {
	Name, Field string
	Rows        int64
}

// Entry is the rows of one product: what they say, or why they cannot be taken.
type Entry struct {
	Rows []Row
	Put  Put
	// VariantRows tells for each variant of Put which of Rows it comes from.
	VariantRows []int
	// Refusal, where not nil, says why the rows cannot be taken; RefusedRow which of them is at fault.
	Refusal    *fault.Error
	RefusedRow int
	Bytes      int
}

// Row is a row of a file.
type Row struct {
	Line   int64 // its first line, the header's being 1
	Fields []string
}

// RefusedRow is a row that was not taken, and why.
type RefusedRow struct {
	Row
	Reason string
}

// ImportReport counts what an import did.
type ImportReport struct {
	DryRun bool
	// Rows were read, blank ones and the header left out.
	Rows int64
	// Created, Updated and Unchanged are products.
	Created, Updated, Unchanged int64
	// Refused are rows.
	Refused int64
	// Removed is what products had and have no longer; Removals are the first RemovalsMax of it.
	Removed  int64
	Removals []Removal
	// Free are the products, of those that were taken, that have a variant of price zero.
	Free int64
	// Notes says what of the file is not imported, and what is in doubt.
	Notes []string
}

// RemovalsMax bounds the removals that a report names: what a person reads through.
const RemovalsMax = 10_000

// ImportProgress is how far an import has come.
type ImportProgress struct {
	Rows, Products, Bytes int64
}

// ImportOptions says how to import.
type ImportOptions struct {
	// DryRun finds out what would happen, and changes nothing.
	DryRun bool
	// AllowFree takes a price of zero also where the product is not free already.
	AllowFree bool
	// Refused, where not nil, is told of every refused row, in the order of their products. Its error ends the import.
	Refused func(RefusedRow) error
	// Changed, where not nil, is told of every product that is made or changed, or would be, with the line it begins at, in the order
	// of the file. Its error ends the import.
	Changed func(line int64, c Change) error
	// Progress, where not nil, is told after every batch. Its error ends the import.
	Progress func(ImportProgress) error
}

// importBatchBytesMax bounds the rows that wait to be committed, and so the import's memory.
const importBatchBytesMax = 8 << 20

// Import writes every product of a source over the one with its handle, or makes it. What the file says of a product takes
// the place of what was there; columns that the file does not have are left as they are. A product with a row that cannot be
// taken is refused as a whole, so that a bad row never takes a variant out of sale. What a product had and has no longer is named in
// the report.
//
// It commits in batches. When it ends early, by an error or with the process, what was committed stays and the report counts
// it; the same file again changes nothing of that and goes on. It returns the source's and the store's errors.
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
			// What was read before is good.
			return errors.Join(err, i.flush(ctx))
		}
		if err := i.take(ctx, e); err != nil {
			return err
		}
	}
}

// take puts an entry into the batch, after committing the batch where it has no room for it.
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

// check decides what can be decided without the store.
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
			path[depth] = c.Title // as it is kept: the same title in another form is the same category
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

// rowOf returns the row that a field of the product comes from.
func (e *Entry) rowOf(field string) int {
	index, _, _ := strings.Cut(strings.TrimPrefix(field, "variants["), "]")
	if n, err := strconv.Atoi(index); err == nil && strings.HasPrefix(field, "variants[") && n < len(e.VariantRows) {
		return e.VariantRows[n]
	}
	return 0
}

// flush commits the batch and reports it, in the order of the file.
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
	if slices.ContainsFunc(c.After.Variants, func(v Variant) bool { return v.Price.Minor == 0 }) { // none of what was refused
		i.report.Free++
	}
	if i.options.Changed == nil || c.Action != Created && c.Action != Updated {
		return nil
	}
	return i.options.Changed(e.Rows[0].Line, c)
}

// removed notes what a change takes from a product.
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

// refuse reports every row of an entry: the one at fault with the reason, its neighbours with where to look.
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

// column turns a field of the product into the name that the columns of a file have for it.
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

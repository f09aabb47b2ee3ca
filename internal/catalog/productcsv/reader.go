// Package productcsv reads and writes products as CSV. It knows the shop's own columns (own.go) and the product exports
// of Shopify, WooCommerce and Medusa, which it distinguishes by their headers (header.go). Other files need a map of
// their columns.
//
// A file is separated by commas, semicolons or tabs and quoted as in RFC 4180, with or without a byte order mark, with
// any line breaks, plain or gzipped. Its encoding is decided once for the whole file (encoding.go). The whole file is
// read before the first product is returned. That finds products that would be stored as the same one, so an ambiguous
// file is refused in any order of its rows.
package productcsv

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Limits of the rows of one product.
const (
	// groupRowsMax fits the maximum of variants and, in Shopify's files, of pictures on their own rows.
	groupRowsMax = catalog.VariantsMax + catalog.PicturesMax
	// groupBytesMax bounds the memory of one product.
	groupBytesMax = 4 << 20
)

// Columns of the file of refused rows. Open ignores them, so that the file can be corrected and imported.
const (
	refusedLine   = "refused_line"
	refusedReason = "refused_reason"
	refusedText   = "refused_text"
)

// format is a kind of file.
type format interface {
	kind() string
	columns() *columns
	// product returns the product of a row: its name in the file, and its handle in the shop. Equal texts always give
	// equal handles. Both are empty if they cannot be determined; why gives the reason.
	product(row catalog.Row) (source, handle, why string)
	// build makes the product with that handle from its rows.
	build(handle string, rows []catalog.Row, shop money.Currency) built
}

// preparer is a format that must see all rows before it can determine the product of one.
type preparer interface{ prepare(catalog.Row) }

// built is a product made from its rows, or the reason why it is invalid. rows holds the row of each variant. made says
// whether the code of each variant must be generated.
type built struct {
	put     catalog.Put
	rows    []int
	at      int
	refusal *fault.Error
}

func (b built) refuse(at int, why *fault.Error) built {
	b.at, b.refusal = at, why
	return b
}

// add adds the variant of a row. It generates an empty code if make is set.
func (b *built) add(row int, v catalog.Variant, make bool) {
	made := make && blank(v.Code)
	if made {
		v.Code = madeCode(b.put.Product.Handle, v.Options, false)
	}
	b.put.Product.Variants = append(b.put.Product.Variants, v)
	b.put.MadeCodes = append(b.put.MadeCodes, made)
	b.rows = append(b.rows, row)
}

// Options says how to read a file.
type Options struct {
	// Currency is the currency of the prices.
	Currency money.Currency
	// Encoding is the encoding of the file; empty: detected.
	Encoding string
	// Map assigns columns to fields, each as column=field.
	Map []string
}

// Reader is a catalog.Source that reads a file. The caller must close it.
type Reader struct {
	text   *text
	format format
	shop   money.Currency
	comma  byte
	header []string
	from   int64 // where the rows begin
	line   int64 // the line before them
	sent   int64 // bytes
	notes  []string

	rows     []rowAt // in the order of their products
	products []productRows
	next     int
	done     int // rows given out
	filled   []int64
	loose    int64 // the first line whose product cannot be determined
	repeated int64 // headers among the rows
	lost     int64 // rows with a replacement character
	again    *records
	seed     maphash.Seed
	codes    map[uint64]codeUse
}

// rowAt is the position of a row.
type rowAt struct {
	at      int64
	size    int32
	line    int32
	product int32
}

// productRows are the rows of a product: rows[from:to].
type productRows struct {
	from, to int32
	// before is an unreadable line before the product that may belong to it.
	before int32
	bytes  int64
}

// Open reads a whole file and determines its format. It returns fault.Invalid, which says what the file looks like and
// what is expected, and fault.BadRequest if the file cannot be read to its end. It stops when ctx ends.
func Open(ctx context.Context, in io.Reader, o Options) (*Reader, error) {
	s, sent, err := receive(ctx, in)
	if err != nil {
		return nil, err
	}
	r := &Reader{shop: o.Currency, sent: sent, seed: maphash.MakeSeed(), codes: map[uint64]codeUse{}}
	if s.size == 0 {
		return nil, errors.Join(unknown("The file is empty."), s.Close())
	}
	if r.text, err = toText(ctx, s, o.Encoding); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for _, step := range []func() error{
		func() error { return r.readHeader(ctx, o.Map) }, func() error { return r.prepare(ctx) }, func() error { return r.index(ctx) },
		func() error { return r.findCodes(ctx) },
	} {
		if err := step(); err != nil {
			return nil, errors.Join(unreadable(err), r.Close())
		}
	}
	return r, nil
}

// Close releases the file's memory and temporary file.
func (r *Reader) Close() error { return r.text.Close() }

func unknown(formatText string, args ...any) *fault.Error {
	return fault.Bad("file", formatText, args...)
}

func unreadable(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	return fault.Wrap(fault.BadRequest, err, "The file cannot be read, and nothing of it was taken: %s.", err)
}

// readHeader reads the header. It skips Excel's line "sep=;" before it.
func (r *Reader) readHeader(ctx context.Context, maps []string) error {
	in := newRecords(r.text.reader(ctx, r.text.from), ',')
	if err := in.appendLine(); err != nil {
		return headerless(err)
	}
	r.comma = separator(in.buf)
	if sep, ok := strings.CutPrefix(strings.TrimRight(string(in.buf), "\r\n"), "sep="); ok && len(sep) == 1 && strings.Contains(separators, sep) {
		r.comma = sep[0]
	} else {
		in = newRecords(r.text.reader(ctx, r.text.from), r.comma)
	}
	in.comma = r.comma
	head, err := in.next()
	switch {
	case err != nil:
		return headerless(err)
	case head.wrong != "":
		return unknown("The header cannot be read: %s.", head.wrong)
	}
	r.header, r.from, r.line = head.fields, r.text.from+in.at, in.line
	r.filled = make([]int64, len(r.header))
	r.format, r.notes, err = recognise(r.header, maps, r.shop)
	return err
}

func headerless(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return unknown("The file is empty.")
	case errors.Is(err, errTooLong):
		return unknown("The header cannot be read: its line is longer than %d bytes.", RecordBytesMax)
	}
	return err
}

// each calls fn for every row except blank rows and repeated headers. It counts the latter.
func (r *Reader) each(ctx context.Context, fn func(rec *record) error) error {
	in := newRecords(r.text.reader(ctx, r.from), r.comma)
	in.line, in.at = r.line, r.from
	r.repeated = 0
	for {
		rec, err := in.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case r.isHeader(rec.fields):
			r.repeated++
			continue
		}
		r.clean(&rec)
		if err := fn(&rec); err != nil {
			return err
		}
	}
}

// isHeader reports whether fields repeat the header, as in concatenated files.
func (r *Reader) isHeader(fields []string) bool {
	return len(fields) == len(r.header) && strings.TrimPrefix(fields[0], "\ufeff") == r.header[0] && slices.Equal(fields[1:], r.header[1:])
}

func (r *Reader) prepare(ctx context.Context) error {
	p, ok := r.format.(preparer)
	if !ok {
		return nil
	}
	return r.each(ctx, func(rec *record) error {
		if rec.wrong == "" && len(rec.fields) == len(r.header) {
			p.prepare(catalog.Row{Line: rec.line, Fields: rec.fields})
		}
		return nil
	})
}

// index assigns the rows to their products.
func (r *Reader) index(ctx context.Context) error {
	byHandle := map[uint64]int32{}
	last, suspect := int32(-1), int32(0) // the product of the previous row; the unreadable line since then
	if err := r.each(ctx, func(rec *record) error {
		if len(r.rows) == RowsMax {
			return fmt.Errorf("it has more than %d rows: divide it", RowsMax)
		}
		for i, f := range rec.fields[:min(len(rec.fields), len(r.header))] {
			if !blank(f) {
				r.filled[i]++
			}
		}
		if slices.ContainsFunc(rec.fields, func(f string) bool { return strings.Contains(f, "\uFFFD") }) {
			r.lost++
		}
		_, handle, _ := r.productOf(rec)
		if handle == "" {
			if r.loose == 0 {
				r.loose = rec.line
			}
			if last < 0 { // no product before it
				r.products = append(r.products, productRows{})
				r.addRow(rec, int32(len(r.products)-1))
			} else {
				r.addRow(rec, last)
			}
			suspect = int32(rec.line)
			return nil
		}
		sum := maphash.String(r.seed, handle)
		n, ok := byHandle[sum]
		if !ok {
			n = int32(len(r.products))
			byHandle[sum] = n
			r.products = append(r.products, productRows{})
		}
		if n != last && suspect != 0 && r.products[n].before == 0 {
			r.products[n].before = suspect
		}
		r.addRow(rec, n)
		last, suspect = n, 0
		return nil
	}); err != nil {
		return err
	}
	r.sortRows()
	r.again = newRecords(nil, r.comma)
	return nil
}

func (r *Reader) addRow(rec *record, product int32) {
	r.rows = append(r.rows, rowAt{at: rec.at, size: int32(rec.size), line: int32(rec.line), product: product})
	p := &r.products[product]
	p.to++ // a count until sortRows
	p.bytes += int64(rec.size)
}

// sortRows groups the rows by product and keeps their order.
func (r *Reader) sortRows() {
	from := int32(0)
	for i := range r.products {
		p := &r.products[i]
		p.from, p.to, from = from, from, from+p.to
	}
	sorted := make([]rowAt, len(r.rows))
	for _, row := range r.rows {
		p := &r.products[row.product]
		sorted[p.to] = row
		p.to++
	}
	r.rows = sorted
}

// productOf returns the product of a row. If the row is unreadable, why says why; its product may be known
// nevertheless.
func (r *Reader) productOf(rec *record) (source, handle, why string) {
	if rec.wrong != "" {
		return "", "", rec.wrong
	}
	row := catalog.Row{Line: rec.line, Fields: rec.fields}
	if len(rec.fields) == len(r.header) {
		source, handle, why = r.format.product(row)
		return source, handle, why
	}
	why = fmt.Sprintf("it has %d fields and the header has %d", len(rec.fields), len(r.header))
	if at, ok := r.format.columns().at["handle"]; ok && at == 0 { // in any other position the cell may belong to another column
		source, handle, _ = r.format.product(row)
	}
	return source, handle, why
}

// Next implements catalog.Source. An unreadable row refuses the product around it, or both products if it is between
// two. It may be a variant of either, and writing a product without a variant would remove that from sale.
func (r *Reader) Next() (catalog.Entry, error) {
	if r.next == len(r.products) {
		return catalog.Entry{}, io.EOF
	}
	e, err := r.entry(r.next)
	if err != nil {
		return e, unreadable(err)
	}
	r.next++
	r.done += len(e.Rows)
	if e.Refusal == nil {
		r.settleCodes(&e)
	}
	return e, nil
}

// entry makes an entry from a product's rows.
func (r *Reader) entry(i int) (e catalog.Entry, err error) {
	p := &r.products[i]
	e.Bytes = int(p.bytes)
	refuse := func(at int, why *fault.Error) {
		if e.Refusal == nil {
			e.RefusedRow, e.Refusal = at, why
		}
	}
	if p.before != 0 {
		refuse(0, fault.New(fault.Invalid, "Line %d, before the product, cannot be read and may belong to it.", p.before))
	}
	large := p.to-p.from > groupRowsMax || p.bytes > groupBytesMax
	handle, first := "", ""
	for n, at := range r.rows[p.from:p.to] {
		rec, err := r.read(at)
		if err != nil {
			return e, err
		}
		source, h, why := r.productOf(&rec)
		if handle == "" {
			handle, first = h, source
		}
		row := catalog.Row{Line: rec.line, Fields: rec.fields}
		if rec.wrong != "" {
			row.Fields = []string{rec.raw}
		}
		e.Rows = append(e.Rows, row)
		switch {
		case why != "":
			refuse(n, fault.New(fault.Invalid, "The row cannot be read: %s.", why))
		case source != first:
			refuse(n, fault.Bad("handle", "%.80q here and %.80q in line %d are two products, and both would be stored under the handle %q.",
				shownName(source), shownName(first), r.rows[p.from].line, handle))
		}
	}
	if large {
		refuse(0, fault.New(fault.Invalid, "A product has at most %d rows, and %d bytes in them.", groupRowsMax, groupBytesMax))
	}
	if e.Refusal != nil {
		return e, nil
	}
	b := r.format.build(handle, e.Rows, r.shop)
	e.Put, e.VariantRows, e.RefusedRow, e.Refusal = b.put, b.rows, b.at, b.refusal
	e.Put.Mode = catalog.PutByHandle
	e.Put.Unread = r.loose
	return e, nil
}

// shownName is the name of a source in messages.
func shownName(source string) string {
	if i := strings.IndexByte(source, 0); i >= 0 {
		return source[i+1:]
	}
	return source
}

// read rereads a row.
func (r *Reader) read(at rowAt) (record, error) {
	r.again.reset(io.NewSectionReader(r.text, at.at, int64(at.size)), int64(at.line)-1)
	rec, err := r.again.row()
	r.clean(&rec)
	return rec, err
}

// clean removes empty fields after the last column, and the ' that keeps spreadsheets from calculating a cell.
func (r *Reader) clean(rec *record) {
	for len(rec.fields) > len(r.header) && blank(rec.fields[len(rec.fields)-1]) {
		rec.fields = rec.fields[:len(rec.fields)-1]
	}
	if r.format.columns().unescape {
		for i, f := range rec.fields {
			rec.fields[i] = alive(f)
		}
	}
}

// Progress implements catalog.Source. It counts the bytes of the file as sent, compressed or not.
func (r *Reader) Progress() (rows, bytes int64) {
	if len(r.rows) == 0 {
		return 0, r.sent
	}
	return int64(r.done), r.sent * int64(r.done) / int64(len(r.rows))
}

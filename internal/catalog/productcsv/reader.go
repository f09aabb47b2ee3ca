// Package productcsv reads and writes products as CSV: the shop's own columns (own.go) and Shopify's product export
// (shopify.go), told apart by their headers.
//
// A file is UTF-8, separated by commas, quoted as in RFC 4180, with or without a byte order mark, with either line break,
// plain or gzipped. The rows of one product follow each other and share its handle; a product and a stock code come once.
package productcsv

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Limits of the rows of one product.
const (
	// groupRowsMax fits the most variants and, in Shopify's files, the most pictures on rows of their own.
	groupRowsMax = catalog.VariantsMax + catalog.PicturesMax
	// groupBytesMax bounds the memory for one product.
	groupBytesMax = 4 << 20
)

// The columns of the file of refused rows, which Open passes over, so that a refused file can be corrected and imported.
const (
	refusedLine   = "refused_line"
	refusedReason = "refused_reason"
	refusedText   = "refused_text"
)

// format is one of the kinds of file.
type format interface {
	// handle is the index of the column that groups the rows.
	handle() int
	// build makes a product of its rows. A refusal names the row at fault by its index.
	build(rows []catalog.Row, shop money.Currency) (put catalog.Put, variantRows []int, at int, refusal *fault.Error)
	// notes says what of the file is not imported.
	notes() []string
}

// Reader is a catalog.Source over a file.
type Reader struct {
	counted *counter
	records *records
	format  format
	name    string
	header  []string
	shop    money.Currency

	rows    int64
	waiting *record // the first row of the next product, read already
	// suspect is the line of a row that cannot be read and may belong to the product that follows it.
	suspect int64
	seed    maphash.Seed
	handles map[uint64]int64 // hash to line
	codes   map[uint64]int64
}

type counter struct {
	in io.Reader
	n  int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	return n, err
}

// Open reads the header and tells which kind of file it is. Prices are in the shop's currency. It returns fault.Invalid with
// what the file looks like and what is expected.
func Open(in io.Reader, shop money.Currency) (*Reader, error) {
	r := &Reader{counted: &counter{in: in}, shop: shop, seed: maphash.MakeSeed(), handles: map[uint64]int64{}, codes: map[uint64]int64{}}
	plain, err := text(r.counted)
	if err != nil {
		return nil, err
	}
	r.records = newRecords(plain)
	head, err := r.records.next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, unknown("The file is empty.")
	case err != nil:
		return nil, unreadable(err)
	case head.wrong != "":
		return nil, unknown("The header cannot be read: %s.", head.wrong)
	}
	r.header = head.fields
	if r.name, r.format, err = recognise(head.fields); err != nil {
		return nil, err
	}
	return r, nil
}

// text unpacks a gzipped file, and takes off the byte order mark. It refuses what is not text in UTF-8.
func text(in io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(in, 64<<10)
	if magic, _ := b.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(b)
		if err != nil {
			return nil, unknown("The file is gzipped and damaged.")
		}
		b = bufio.NewReaderSize(unpacked, 64<<10)
	}
	head, err := b.Peek(4)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, unreadable(readFailed(err))
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return nil, unknown("The file is UTF-16. Save it as CSV UTF-8.")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return nil, unknown("The file is a workbook or a zip archive. Save it as CSV UTF-8.")
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, _ = b.Discard(3) // they were peeked
	}
	return b, nil
}

func unknown(formatText string, args ...any) *fault.Error {
	return fault.Bad("file", formatText, args...)
}

func unreadable(err error) *fault.Error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	return fault.Wrap(fault.BadRequest, err, "The file cannot be imported further: %s.", err)
}

// recognise tells the kind of file by its header.
func recognise(header []string) (string, format, error) {
	if slices.ContainsFunc(header, func(h string) bool { return !utf8.ValidString(h) }) {
		return "", nil, unknown("The header is not UTF-8. Save the file as CSV UTF-8.")
	}
	index := map[string]int{}
	for i, h := range header {
		name := strings.ToLower(strings.TrimSpace(h))
		if _, twice := index[name]; twice && name != "" {
			return "", nil, unknown("The column %q is there twice.", h)
		}
		index[name] = i
	}
	for _, own := range []string{refusedLine, refusedReason, refusedText} {
		delete(index, own)
	}
	if columns := shopifyColumns(index); columns != nil {
		return "Shopify", columns, nil
	}
	columns, missing, others := ownColumns(index)
	switch {
	case len(missing) == 0 && len(others) == 0:
		return "Tidegate", columns, nil
	case len(missing) <= 2:
		var wrong []string
		if len(missing) > 0 {
			wrong = append(wrong, "it lacks "+strings.Join(missing, ", "))
		}
		if len(others) > 0 {
			wrong = append(wrong, "it has columns that are not known: "+strings.Join(others, ", "))
		}
		return "", nil, unknown("The header is nearly the shop's own, but %s. The columns are %s.", strings.Join(wrong, ", and "), strings.Join(ownNames, ", "))
	}
	return "", nil, unknown("%s Expected are the shop's own columns, at least handle, title, sku and price, "+
		"or Shopify's product export, which begins with Handle, Title.", looksLike(header, index))
}

// looksLike says what a file with an unknown header seems to be.
func looksLike(header []string, index map[string]int) string {
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { _, ok := index[n]; return !ok })
	}
	shown := strings.Join(header[:min(len(header), 12)], ", ")
	if len(shown) > 300 {
		shown = strings.ToValidUTF8(shown[:300], "") + "..."
	}
	about := "This is no product file"
	switch {
	case has("invoiceno", "stockcode", "quantity"), has("lineitem name", "lineitem quantity"), has("order_id"):
		about = "This looks like a list of orders, one row an order line, not of products"
	case len(header) == 1 && strings.Count(header[0], ";") > 1:
		about = "This is separated by semicolons, not commas"
	case len(header) == 1 && strings.Count(header[0], "\t") > 1:
		about = "This is separated by tabs, not commas"
	}
	return fmt.Sprintf("%s: its columns are %s.", about, shown)
}

// Format names the kind of file: Tidegate or Shopify.
func (r *Reader) Format() string { return r.name }

// Header returns the names of the columns as they stand in the file.
func (r *Reader) Header() []string { return r.header }

// Progress implements catalog.Source. The bytes are those of the file as it was given, packed or not.
func (r *Reader) Progress() (rows, bytes int64) { return r.rows, r.counted.n }

// Notes implements catalog.Source.
func (r *Reader) Notes() []string { return r.format.notes() }

// Next implements catalog.Source. A row that cannot be read refuses the product that it stands in, and where it stands
// between two, both: it may be a variant of either, and a product that is written without a variant takes it out of sale.
func (r *Reader) Next() (catalog.Entry, error) {
	var g group
	for {
		rec, err := r.record()
		if errors.Is(err, io.EOF) {
			if len(g.rows) == 0 {
				return catalog.Entry{}, io.EOF
			}
			return r.entry(&g), nil
		}
		if err != nil {
			return catalog.Entry{}, unreadable(err)
		}
		handle, why := r.handleOf(&rec)
		if handle == "" {
			g.add(&rec)
			g.refuse(len(g.rows)-1, fault.New(fault.Invalid, "The row cannot be read: %s.", why))
			r.suspect = rec.line
			if g.handle == "" { // nothing before it to belong to
				return r.entry(&g), nil
			}
			continue
		}
		if g.handle != "" && g.handle != handle {
			r.waiting = &rec
			return r.entry(&g), nil
		}
		if g.handle == "" && r.suspect != 0 {
			g.refuse(0, fault.New(fault.Invalid, "Line %d, before the product, cannot be read and may belong to it.", r.suspect))
		}
		g.handle, r.suspect = handle, 0
		g.add(&rec)
		if why != "" {
			g.refuse(len(g.rows)-1, fault.New(fault.Invalid, "The row cannot be read: %s.", why))
		}
		if len(g.rows) > groupRowsMax || g.bytes > groupBytesMax {
			g.refuse(0, fault.New(fault.Invalid, "A product has at most %d rows, and %d bytes in them.", groupRowsMax, groupBytesMax))
			return r.entry(&g), nil
		}
	}
}

// record returns the next row.
func (r *Reader) record() (record, error) {
	if r.waiting != nil {
		rec := *r.waiting
		r.waiting = nil
		return rec, nil
	}
	rec, err := r.records.next()
	if err != nil {
		return rec, err
	}
	if r.rows++; r.rows > RowsMax {
		return rec, fmt.Errorf("the file has more than %d rows: divide it", RowsMax)
	}
	return rec, nil
}

// handleOf returns the row's handle, where it can be told, and why the row cannot be read otherwise, where it cannot.
func (r *Reader) handleOf(rec *record) (handle, why string) {
	if rec.wrong != "" {
		return "", rec.wrong
	}
	at := r.format.handle()
	if len(rec.fields) != len(r.header) {
		why = fmt.Sprintf("it has %d fields and the header has %d", len(rec.fields), len(r.header))
		if at > 0 { // what stands in the handle's place may be another column's
			return "", why
		}
	}
	if handle = strings.TrimSpace(rec.fields[at]); handle == "" && why == "" {
		why = "it has no handle"
	}
	return handle, why
}

// group is the rows of one product.
type group struct {
	handle  string
	rows    []catalog.Row
	bytes   int
	at      int
	refusal *fault.Error
}

func (g *group) add(rec *record) {
	fields := rec.fields
	if rec.wrong != "" {
		fields = []string{rec.raw}
	}
	g.rows = append(g.rows, catalog.Row{Line: rec.line, Fields: fields})
	g.bytes += rec.bytes
}

// refuse keeps the first refusal.
func (g *group) refuse(at int, why *fault.Error) {
	if g.refusal == nil {
		g.at, g.refusal = at, why
	}
}

// entry makes an entry of a product's rows.
func (r *Reader) entry(g *group) catalog.Entry {
	e := catalog.Entry{Rows: g.rows, Bytes: g.bytes, Refusal: g.refusal, RefusedRow: g.at}
	if g.handle == "" {
		return e
	}
	if before := r.first(r.handles, g.handle, g.rows[0].Line); before != 0 && e.Refusal == nil {
		e.RefusedRow, e.Refusal = 0, fault.Bad("handle", "The handle %q was used in line %d already: the rows of a product follow each other.", g.handle, before)
	}
	if e.Refusal != nil {
		return e
	}
	if e.Put, e.VariantRows, e.RefusedRow, e.Refusal = r.format.build(g.rows, r.shop); e.Refusal != nil {
		return e
	}
	e.Put.Mode = catalog.PutByHandle
	for i := range e.Put.Product.Variants {
		code := e.Put.Product.Variants[i].Code
		line := g.rows[e.VariantRows[i]].Line
		if before := r.first(r.codes, code, line); before != 0 && e.Refusal == nil {
			e.RefusedRow, e.Refusal = e.VariantRows[i], fault.Bad("sku", "The code %q was used in line %d already.", code, before)
		}
	}
	return e
}

// first returns the line in which the text was first seen, zero where it is seen for the first time. It keeps 64-bit hashes:
// two texts of a file of a million rows share one with a probability of one in 37 million.
func (r *Reader) first(seen map[uint64]int64, text string, line int64) int64 {
	h := maphash.String(r.seed, text)
	if before, ok := seen[h]; ok {
		return before
	}
	seen[h] = line
	return 0
}

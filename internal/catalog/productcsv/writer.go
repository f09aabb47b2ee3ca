package productcsv

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tidegate/tidegate/internal/catalog"
)

// Writer writes products in the shop's own columns. An import of its output finds all products unchanged. Cells that a
// spreadsheet would calculate get a ' before them, which the import removes.
type Writer struct {
	out *csv.Writer
	row []string
}

// excelMark is the byte order mark, by which Excel recognises UTF-8.
const excelMark = "\ufeff"

// NewWriter writes the header and returns a Writer. With excel the file begins with a byte order mark, by which Excel
// recognises UTF-8.
func NewWriter(out io.Writer, excel bool) (*Writer, error) {
	if excel {
		if _, err := io.WriteString(out, excelMark); err != nil {
			return nil, err
		}
	}
	w := &Writer{out: csv.NewWriter(out), row: make([]string, len(ownNames))}
	return w, w.out.Write(ownNames)
}

// Write writes a product, one row for each variant, with its brand's title and its categories' paths.
func (w *Writer) Write(p *catalog.Product, brand string, categories [][]string) error {
	for i := range p.Variants {
		v := &p.Variants[i]
		clear(w.row)
		w.set("handle", p.Handle)
		if i == 0 {
			w.whole(p, brand, categories)
		}
		for n, value := range v.Options {
			w.set(fmt.Sprintf("option%d_value", n+1), value)
		}
		w.set("sku", v.Code)
		w.set("price", v.Price.Decimal())
		w.set("currency", string(v.Price.Currency))
		if err := w.out.Write(w.row); err != nil {
			return err
		}
	}
	return nil
}

// whole sets the cells for the whole product.
func (w *Writer) whole(p *catalog.Product, brand string, categories [][]string) {
	w.set("title", p.Title)
	w.set("description", p.Description)
	w.set("status", string(p.Status))
	w.set("brand", brand)
	var paths, attributes, urls, alts []string
	for _, path := range categories {
		paths = append(paths, strings.Join(path, " > "))
	}
	for _, a := range p.Attributes {
		attributes = append(attributes, escapedName.Replace(a.Name)+"="+escaped.Replace(a.Value))
	}
	for _, picture := range p.Pictures {
		urls, alts = append(urls, escaped.Replace(picture.URL)), append(alts, escaped.Replace(picture.Alt))
	}
	w.set("categories", strings.Join(paths, " | "))
	w.set("attributes", strings.Join(attributes, " | "))
	w.set("pictures", strings.Join(urls, " | "))
	if words := strings.Join(alts, " | "); strings.Trim(words, " |") != "" {
		w.set("picture_alts", words)
	}
	for n, name := range p.Options {
		w.set(fmt.Sprintf("option%d_name", n+1), name)
	}
}

func (w *Writer) set(column, value string) {
	for i, name := range ownNames {
		if name == column {
			w.row[i] = inert(value)
			return
		}
	}
}

// Flush writes what is buffered.
func (w *Writer) Flush() error {
	w.out.Flush()
	return w.out.Error()
}

// Refusals writes refused rows to a file: line, reason, then the row as it was. That file can be corrected and
// imported.
type Refusals struct {
	out     *csv.Writer
	columns int
}

// NewRefusals writes the header and returns a Refusals. header is that of the refused file.
func NewRefusals(out io.Writer, header []string) (*Refusals, error) {
	r := &Refusals{out: csv.NewWriter(out)}
	for _, name := range header {
		if ownOfRefused(name) { // the import was of a file of refused rows
			continue
		}
		r.columns++
	}
	return r, r.out.Write(append([]string{refusedLine, refusedReason, refusedText}, header[len(header)-r.columns:]...))
}

// Write writes a row. Cells that a spreadsheet would calculate are written as text. A row that could not be split is
// written whole, as refused_text.
func (r *Refusals) Write(row catalog.RefusedRow) error {
	out := make([]string, 3, 3+r.columns)
	out[0], out[1] = strconv.FormatInt(row.Line, 10), row.Reason
	fields := row.Fields
	switch {
	case len(fields) >= r.columns && len(fields) <= r.columns+3:
		out = append(out, fields[len(fields)-r.columns:]...)
	default:
		out[2] = strings.Join(fields, ",")
		out = append(out, make([]string, r.columns)...)
	}
	for i := range out {
		out[i] = inert(out[i])
	}
	return r.out.Write(out)
}

// Flush writes what is buffered.
func (r *Refusals) Flush() error {
	r.out.Flush()
	return r.out.Error()
}

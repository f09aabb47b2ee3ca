package productcsv

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tidegate/tidegate/internal/catalog"
)

// Writer writes products in the shop's own columns. What it writes, the import reads and finds unchanged. Cells that a spreadsheet would
// calculate are written as text: with a ' before them, which the import takes off.
type Writer struct {
	out *csv.Writer
	row []string
}

// excelMark has Excel read a file as UTF-8: the byte order mark.
const excelMark = "\ufeff"

// NewWriter returns a Writer that has written the header. With excel the file begins with the mark by which Excel takes it for UTF-8.
func NewWriter(out io.Writer, excel bool) (*Writer, error) {
	if excel {
		if _, err := io.WriteString(out, excelMark); err != nil {
			return nil, err
		}
	}
	w := &Writer{out: csv.NewWriter(out), row: make([]string, len(ownNames))}
	return w, w.out.Write(ownNames)
}

// Write writes a product, a row a variant, with its brand's title and its categories' paths.
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

// whole sets what concerns the whole product.
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

// Refusals writes refused rows to a file of their own: line and reason, then the row as it was. Corrected, that file can be
// imported.
type Refusals struct {
	out     *csv.Writer
	columns int
}

// NewRefusals returns a Refusals that has written its header; header is the refused file's.
func NewRefusals(out io.Writer, header []string) (*Refusals, error) {
	r := &Refusals{out: csv.NewWriter(out)}
	for _, name := range header {
		if ownOfRefused(name) { // a refused file was imported again
			continue
		}
		r.columns++
	}
	return r, r.out.Write(append([]string{refusedLine, refusedReason, refusedText}, header[len(header)-r.columns:]...))
}

// Write writes a row; what a spreadsheet would calculate is written as text. One that could not be taken apart is written whole, as refused_text.
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

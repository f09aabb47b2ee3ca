package productcsv

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// header is the first row of a file: its names as written, and the position of each by its key.
type header struct {
	names []string
	at    map[string]int
	twice map[string]bool // keys of more than one name
}

// spaces matches what people write between the words of a name.
var (
	spaces    = regexp.MustCompile(`[\s_\-\x{00a0}]+`)
	numbering = regexp.MustCompile(`\b(option|attribute|image|tag) (\d)`)
)

// key normalises a name for comparison: lower case, single spaces between words, "option 1" as "option1".
func key(name string) string {
	name = strings.ToLower(norm.NFKC.String(name))
	name = strings.Trim(spaces.ReplaceAllString(name, " "), " \"'“”‘’\ufeff\u200b")
	return numbering.ReplaceAllString(name, "$1$2")
}

func newHeader(names []string) *header {
	h := &header{names: names, at: map[string]int{}, twice: map[string]bool{}}
	for i, name := range names {
		k := key(name)
		if _, ok := h.at[k]; ok {
			h.twice[k] = true
			continue
		}
		h.at[k] = i
	}
	return h
}

func (h *header) has(keys ...string) bool {
	return !slices.ContainsFunc(keys, func(k string) bool { _, ok := h.at[key(k)]; return !ok })
}

func (h *header) hasAny(keys ...string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { return h.has(k) })
}

// isRefused reports whether this is a file of refused rows, corrected and imported again.
func (h *header) isRefused() bool { return h.has(refusedLine, refusedReason, refusedText) }

// columns holds the positions of a product's fields in the rows of a file.
type columns struct {
	header *header
	at     map[string]int
	// unescape says that the effect of inert on cells must be undone.
	unescape bool
}

// find assigns to a field the first of the names that the file has. It reports whether it has one.
func (c *columns) find(field string, names ...string) bool {
	for _, name := range names {
		if i, ok := c.header.at[key(name)]; ok {
			c.at[field] = i
			return true
		}
	}
	return false
}

func (c *columns) has(field string) bool {
	_, ok := c.at[field]
	return ok
}

// cell returns a field's cell. It is empty if the file has no such column.
func (c *columns) cell(row catalog.Row, field string) string {
	i, ok := c.at[field]
	if !ok || i >= len(row.Fields) {
		return ""
	}
	return row.Fields[i]
}

// trimmed returns a field's cell without surrounding blanks.
func (c *columns) trimmed(row catalog.Row, field string) string {
	return strings.TrimSpace(c.cell(row, field))
}

// first returns the first of the rows' cells that is not blank.
func (c *columns) first(rows []catalog.Row, field string) string {
	for _, row := range rows {
		if cell := c.trimmed(row, field); cell != "" {
			return cell
		}
	}
	return ""
}

// name returns the file's name for a field.
func (c *columns) name(field string) string {
	if i, ok := c.at[field]; ok {
		return strings.TrimSpace(c.header.names[i])
	}
	return field
}

// keep returns the fields for which the file has no column.
func (c *columns) keep(of map[catalog.Fields][]string) (keep catalog.Fields) {
	for field, names := range of {
		if !slices.ContainsFunc(names, c.has) {
			keep |= field
		}
	}
	return keep
}

// recognise determines the format of a file from its header. With maps it reads the file as they say: column=field.
func recognise(names, maps []string, shop money.Currency) (f format, notes []string, err error) {
	h := newHeader(names)
	if len(maps) > 0 {
		f, err = mapped(h, maps)
		return f, nil, err
	}
	known := 0
	for _, o := range []func(*header, money.Currency) (format, error){ownColumns, wooColumns, medusaColumns, shopifyColumns} {
		g, err := o(h, shop)
		if err != nil {
			return nil, nil, err
		}
		if g == nil {
			continue
		}
		if known++; f == nil {
			f = g
		}
	}
	switch {
	case f == nil:
		return nil, nil, unrecognised(h)
	case known > 1 && !spelledAsOwn(names):
		notes = append(notes, fmt.Sprintf("The columns would fit another shop's files too; they are read as %s.", f.kind()))
	}
	for field, i := range f.columns().at {
		if h.twice[key(names[i])] {
			return nil, nil, unknown("The column %q is there twice, and is the %s.", names[i], field)
		}
	}
	return f, notes, nil
}

// spelledAsOwn reports whether the names are exactly the shop's own: no other shop writes option1_name.
func spelledAsOwn(names []string) bool {
	return !slices.ContainsFunc(names, func(n string) bool {
		return !blank(n) && !slices.Contains(ownNames, strings.TrimSpace(n)) && !ownOfRefused(n)
	})
}

// unrecognised says what a file with an unknown header seems to be, and what to do.
func unrecognised(h *header) *fault.Error {
	const do = `Look at it with "tidegate import products --inspect", and say which column is what with --map "column=field".`
	missing, others := ownDifference(h)
	if len(missing) <= 2 {
		var wrong []string
		if len(missing) > 0 {
			wrong = append(wrong, "it lacks "+strings.Join(missing, ", "))
		}
		if len(others) > 0 {
			wrong = append(wrong, "it has columns that are not known: "+strings.Join(others, ", "))
		}
		return unknown("The header is nearly the shop's own, but %s. The columns are %s. %s", strings.Join(wrong, ", and "), strings.Join(ownNames, ", "), do)
	}
	shown := strings.Join(h.names[:min(len(h.names), 12)], ", ")
	if len(shown) > 300 {
		shown = strings.ToValidUTF8(shown[:300], "") + "..."
	}
	about := "This is no product file that is known"
	if h.has("invoiceno", "stockcode", "quantity") || h.has("lineitem name", "lineitem quantity") || h.hasAny("order id") {
		about = "This looks like a list of orders, one row an order line, not of products"
	}
	return unknown("%s: its columns are %s. Known are the shop's own columns, at least handle, title, sku and price, and the product exports of "+
		"Shopify, WooCommerce and Medusa. %s", about, shown, do)
}

// separators are the possible separators of fields.
const separators = ",;\t|"

// separator returns the separator that divides the header into the most fields.
func separator(line []byte) (comma byte) {
	most := 0
	comma = ','
	for i := range len(separators) {
		fields, _, wrong := split(line, separators[i])
		if wrong == "" && len(fields) > most {
			most, comma = len(fields), separators[i]
		}
	}
	return comma
}

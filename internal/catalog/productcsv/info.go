package productcsv

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/catalog"
)

// separatorNames are the separators' names for people.
var separatorNames = map[byte]string{',': "comma", ';': "semicolon", '\t': "tab", '|': "bar"}

// File implements catalog.Source.
func (r *Reader) File() catalog.FileInfo {
	f := catalog.FileInfo{
		Format: r.format.kind(), Encoding: r.text.encoding, Separator: separatorNames[r.comma], Header: r.header, Rows: int64(len(r.rows)),
		Products: int64(len(r.products)), Notes: slices.Clone(r.notes),
	}
	if r.text.guessed {
		f.Notes = append(f.Notes, fmt.Sprintf("The file does not say its encoding, and its letters look like %s: look at the names, and say another with --encoding where they are wrong.", r.text.encoding))
	}
	if r.repeated > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("The header is there again among the rows, which was passed over: %d times.", r.repeated))
	}
	if r.lost > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("Letters were lost before the file came here, and U+FFFD stands for them: %s.", rowsHave(r.lost)))
	}
	fields := map[int]string{}
	for field, i := range r.format.columns().at {
		fields[i] = field
	}
	for i, name := range r.header {
		c := catalog.FileColumn{Name: strings.TrimSpace(name), Field: fields[i], Rows: r.filled[i]}
		f.Columns = append(f.Columns, c)
		if c.Field == "" && c.Rows > 0 && !ownOfRefused(name) {
			f.Notes = append(f.Notes, leftOut(i, &c))
		}
	}
	return f
}

func ownOfRefused(name string) bool {
	return slices.Contains([]string{key(refusedLine), key(refusedReason), key(refusedText)}, key(name))
}

// leftOut returns the note about a column that is not imported.
func leftOut(i int, c *catalog.FileColumn) string {
	name := fmt.Sprintf("The column %s", c.Name)
	if c.Name == "" {
		name = fmt.Sprintf("Column %d, which has no name,", i+1)
	}
	why := ""
	if k := key(c.Name); strings.Contains(k, "inventory q") || k == "stock" || strings.HasSuffix(k, " stock") {
		why = " Stock has a ledger of its own: receive it with an adjustment of the SKU's stock."
	}
	return fmt.Sprintf("%s is not imported: %s.%s", name, rowsHave(c.Rows), why)
}

// others are the names that formats use for fields of a product where the shop's own name differs.
var others = map[string][]string{
	"pictures": {"picture", "picture 1"}, "categories": {"type", "category", "category 1"}, "attributes": {"tags"},
}

// Column implements catalog.Source.
func (r *Reader) Column(field string) string {
	c := r.format.columns()
	for _, name := range append([]string{field}, others[field]...) {
		if c.has(name) {
			return c.name(name)
		}
	}
	return field
}

// Header returns the column names as written in the file.
func (r *Reader) Header() []string { return r.header }

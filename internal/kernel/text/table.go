package text

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Table writes rows in columns. A cell's text cannot break out of its cell: see Visible.
type Table struct{ columns *tabwriter.Writer }

// NewTable starts a table with a header row, or without one if head is empty.
func NewTable(w io.Writer, head ...string) *Table {
	t := &Table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if len(head) > 0 {
		fmt.Fprintln(t.columns, strings.Join(head, "\t"))
	}
	return t
}

// Row adds a row; each cell is formatted as by fmt.Sprint. Flush returns the errors.
func (t *Table) Row(cells ...any) {
	for i, cell := range cells {
		if i > 0 {
			_, _ = t.columns.Write([]byte{'\t'})
		}
		_, _ = io.WriteString(t.columns, Visible(fmt.Sprint(cell)))
	}
	_, _ = t.columns.Write([]byte{'\n'})
}

// Head ends the current columns, and starts new ones with a header below an empty line.
func (t *Table) Head(head ...string) { fmt.Fprintln(t.columns, "\n"+strings.Join(head, "\t")) }

// Flush writes the rows.
func (t *Table) Flush() error { return t.columns.Flush() }

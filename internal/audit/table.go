package audit

import (
	"fmt"
	"io"
	"strconv"

	"github.com/tidegate/tidegate/internal/kernel/text"
)

// WriteTable writes the report for people: a line for each invariant, and below them what was found.
func (r *Report) WriteTable(w io.Writer) error {
	table := text.NewTable(w, "ID", "INVARIANT", "CHECKED", "VIOLATIONS", "RESULT")
	for _, inv := range r.Invariants {
		verdict := "ok"
		if !inv.OK {
			verdict = "VIOLATED"
		}
		table.Row(inv.ID, inv.Title, inv.Checked, inv.Found, verdict)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, inv := range r.Invariants {
		if err := inv.writeDetails(w); err != nil {
			return err
		}
	}
	verdict := "Every invariant holds"
	if !r.OK {
		verdict = "The shop's data contradicts itself"
	}
	_, err := fmt.Fprintf(w, "\n%s, as of %s.\n", verdict, r.At.UTC().Format("2006-01-02 15:04:05 UTC"))
	return err
}

// writeDetails writes an invariant's violations and its note, where it has any.
func (inv *Invariant) writeDetails(w io.Writer) error {
	if inv.Found > 0 {
		if _, err := fmt.Fprintf(w, "\n%s %s\n", text.Visible(inv.ID), text.Visible(inv.Title)); err != nil {
			return err
		}
	}
	for _, v := range inv.Violations {
		if _, err := fmt.Fprintf(w, "  %s: %s\n", text.Visible(v.Subject), text.Visible(v.Detail)); err != nil {
			return err
		}
	}
	if more := inv.Found - int64(len(inv.Violations)); more > 0 {
		if _, err := fmt.Fprintf(w, "  and %d more\n", more); err != nil {
			return err
		}
	}
	if inv.Note == "" {
		return nil
	}
	_, err := fmt.Fprintf(w, "\nNote on %s: %s\n", text.Visible(inv.ID), text.Visible(inv.Note))
	return err
}

// WriteTable writes for people what a reconcile found.
func (r *RepairReport) WriteTable(w io.Writer) error {
	if len(r.Changes) > 0 {
		table := text.NewTable(w, "WHAT", "WAS", "IS")
		for _, c := range r.Changes {
			table.Row(c.What, c.Was, c.Is)
		}
		if err := table.Flush(); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	verdict := "What is derived agrees with the ledger; there was nothing to change."
	switch n := len(r.Changes); {
	case n > 0 && r.Applied:
		verdict = values(n) + " changed. The ledger was not touched."
	case n > 0:
		verdict = values(n) + " would change; run it with --apply to change them."
	}
	if r.Note != "" {
		verdict += "\nNote: " + text.Visible(r.Note)
	}
	_, err := fmt.Fprintln(w, verdict)
	return err
}

func values(n int) string {
	if n == 1 {
		return "1 value"
	}
	return strconv.Itoa(n) + " values"
}

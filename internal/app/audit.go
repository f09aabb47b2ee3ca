package app

import (
	"io"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/audit"
)

// WriteAudit writes an audit's report for people.
func WriteAudit(w io.Writer, r api.AuditReport) error {
	report := audit.Report{OK: r.Ok, At: r.At.Time}
	for _, inv := range r.Invariants {
		one := audit.Invariant{ID: inv.Id, Title: inv.Title, OK: inv.Ok, Checked: inv.Checked, Found: inv.Found, Note: inv.Note}
		for _, v := range inv.Violations {
			one.Violations = append(one.Violations, audit.Violation{Subject: v.Subject, Detail: v.Detail})
		}
		report.Invariants = append(report.Invariants, one)
	}
	return report.WriteTable(w)
}

// WriteReconcile writes for people what a reconcile found.
func WriteReconcile(w io.Writer, r api.ReconcileReport) error {
	done := audit.Repaired{Applied: r.Applied, At: r.At.Time, Note: r.Note}
	for _, c := range r.Changes {
		done.Changes = append(done.Changes, audit.Change{What: c.What, Was: c.Was, Is: c.Is})
	}
	return done.WriteTable(w)
}

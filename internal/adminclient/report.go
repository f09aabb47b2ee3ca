package adminclient

import (
	"io"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/audit"
)

// WriteAudit writes an audit's report for people.
func WriteAudit(w io.Writer, r api.AuditReport) error {
	report := audit.Report{OK: r.Ok, At: r.CheckedAt.Time}
	for _, inv := range r.Invariants {
		one := audit.Invariant{ID: inv.Id, Title: inv.Title, OK: inv.Ok, Checked: inv.Checked, Found: inv.ViolationCount, Note: inv.Note}
		for _, v := range inv.Violations {
			one.Violations = append(one.Violations, audit.Violation{Subject: v.Subject, Detail: v.Detail})
		}
		report.Invariants = append(report.Invariants, one)
	}
	return report.WriteTable(w)
}

// WriteReconcile writes for people what a reconcile found.
func WriteReconcile(w io.Writer, r api.ReconcileReport) error {
	done := audit.RepairReport{Applied: r.Applied, At: r.ComparedAt.Time, Note: r.Note}
	for _, c := range r.Changes {
		done.Changes = append(done.Changes, audit.Change{What: c.Name, Was: c.Before, Is: c.After})
	}
	return done.WriteTable(w)
}

package httpapi

import (
	"net/http"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/audit"
)

// RunAudit implements api.ServerInterface.
func (s *Server) RunAudit(w http.ResponseWriter, r *http.Request) {
	report, err := s.Auditor.Run(r.Context(), nil)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, reportOf(&report))
}

func reportOf(r *audit.Report) api.AuditReport {
	out := api.AuditReport{Ok: r.OK, CheckedAt: api.At(r.At), Invariants: make([]api.Invariant, 0, len(r.Invariants))}
	for _, inv := range r.Invariants {
		one := api.Invariant{
			Id: inv.ID, Title: inv.Title, Ok: inv.OK, Checked: inv.Checked, ViolationCount: inv.Found, Note: inv.Note,
			Violations: make([]api.Violation, 0, len(inv.Violations)),
		}
		for _, v := range inv.Violations {
			one.Violations = append(one.Violations, api.Violation{Subject: v.Subject, Detail: v.Detail})
		}
		out.Invariants = append(out.Invariants, one)
	}
	return out
}

// Reconcile implements api.ServerInterface.
func (s *Server) Reconcile(w http.ResponseWriter, r *http.Request) {
	var in api.ReconcileInput
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	done, err := s.Auditor.Reconcile(r.Context(), in.Apply, nil)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, repairedOf(&done))
}

func repairedOf(r *audit.RepairReport) api.ReconcileReport {
	out := api.ReconcileReport{Applied: r.Applied, ComparedAt: api.At(r.At), Note: r.Note, Changes: make([]api.RepairedValue, 0, len(r.Changes))}
	for _, c := range r.Changes {
		out.Changes = append(out.Changes, api.RepairedValue{Name: c.What, Before: c.Was, After: c.Is})
	}
	return out
}

package account

import (
	"context"

	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// WithActor returns a context whose first write also adds an audit log entry. The entry names the admin, the operation
// as in the API contract, the subject and the reason. The reason may be empty; normalise it with auditlog.CleanReason.
func (s *Service) WithActor(ctx context.Context, who Admin, verb, subject, reason string) context.Context {
	return auditlog.WithEntry(ctx, auditlog.Entry{
		ID: id.New[id.AuditEntry](s.mint), At: s.now(), Key: who.Key, Actor: who.Name, Verb: verb, Subject: subject,
		Reason: reason,
	})
}

// Log returns the actions of admins, newest first. It returns the errors of Store.
func (s *Service) Log(ctx context.Context, f auditlog.Filter) ([]auditlog.Entry, error) {
	return s.store.AuditLog(ctx, f)
}

package account

import (
	"context"

	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Acting returns a context under which the first write takes an entry of the audit log along: this admin does this, the
// operation's name in the contract, to the subject, for the reason, which may be empty and is cut at
// auditlog.ReasonBytesMax.
func (s *Service) Acting(ctx context.Context, who Admin, verb, subject, reason string) context.Context {
	return auditlog.With(ctx, auditlog.Entry{
		ID: id.New[id.AuditEntry](s.mint), At: s.now(), Key: who.Key, Actor: who.Name, Verb: verb, Subject: subject,
		Reason: auditlog.CleanReason(reason),
	})
}

// Log returns what admins did, newest first. It returns what Store returns.
func (s *Service) Log(ctx context.Context, f auditlog.Filter) ([]auditlog.Entry, error) {
	return s.store.AuditLog(ctx, f)
}

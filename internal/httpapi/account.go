package httpapi

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Accounts is what the account routes need: see account.Service.
type Accounts interface {
	Register(ctx context.Context, r account.Registration, client netip.Addr) (account.Customer, error)
	Login(ctx context.Context, email, password string, client netip.Addr, device string) (account.Grant, error)
	Refresh(ctx context.Context, token string) (account.Grant, error)
	Logout(ctx context.Context, p account.Principal) error
	LogoutEverywhere(ctx context.Context, p account.Principal) (int, error)
	Me(ctx context.Context, p account.Principal) (account.Customer, error)
	Find(ctx context.Context, email string, before id.Customer, limit int) ([]account.Customer, error)
	Customer(ctx context.Context, customer id.Customer) (account.Customer, error)
	Sessions(ctx context.Context, customer id.Customer) ([]account.Session, error)
	EndSession(ctx context.Context, customer id.Customer, session id.Session) error
	EndSessions(ctx context.Context, customer id.Customer) (int, error)
	Block(ctx context.Context, customer id.Customer) (account.Customer, error)
	Unblock(ctx context.Context, customer id.Customer) (account.Customer, error)
	CreateKey(ctx context.Context, name string, roles []string) (account.Key, string, error)
	Keys(ctx context.Context, after id.AdminKey, limit int) ([]account.Key, error)
	RevokeKey(ctx context.Context, key id.AdminKey) (account.Key, error)
	Log(ctx context.Context, f auditlog.Filter) ([]auditlog.Entry, error)
}

// RegisterCustomer implements api.ServerInterface.
func (s *Server) RegisterCustomer(w http.ResponseWriter, r *http.Request) {
	var in api.Registration
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	made, err := s.Accounts.Register(r.Context(), account.Registration{Email: in.Email, Password: in.Password}, s.clientAddress(r))
	s.answerCustomer(w, r, http.StatusCreated, made, err)
}

// GetMe implements api.ServerInterface.
func (s *Server) GetMe(w http.ResponseWriter, r *http.Request) {
	me, err := s.Accounts.Me(r.Context(), principal(w))
	s.answerCustomer(w, r, http.StatusOK, me, err)
}

func (s *Server) answerCustomer(w http.ResponseWriter, r *http.Request, status int, c account.Customer, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header()["Cache-Control"] = noStore
	s.answer(w, r, status, customerOf(&c))
}

func customerOf(c *account.Customer) api.Customer {
	return api.Customer{Id: c.ID, Email: c.Email, CreatedAt: api.At(c.CreatedAt), BlockedAt: api.At(c.BlockedAt)}
}

// LogIn implements api.ServerInterface.
func (s *Server) LogIn(w http.ResponseWriter, r *http.Request) {
	var in api.Login
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	grant, err := s.Accounts.Login(r.Context(), in.Email, in.Password, s.clientAddress(r), in.DeviceToken)
	s.answerGrant(w, r, http.StatusCreated, grant, err)
}

// RefreshSession implements api.ServerInterface.
func (s *Server) RefreshSession(w http.ResponseWriter, r *http.Request) {
	var in api.Refresh
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	grant, err := s.Accounts.Refresh(r.Context(), in.RefreshToken)
	s.answerGrant(w, r, http.StatusOK, grant, err)
}

// answerGrant answers with tokens, which no cache may keep (RFC 6749 section 5.1).
func (s *Server) answerGrant(w http.ResponseWriter, r *http.Request, status int, g account.Grant, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header()["Cache-Control"] = noStore
	s.answer(w, r, status, api.Tokens{
		AccessToken:  g.Access,
		TokenType:    api.TokensTokenTypeBearer,
		ExpiresIn:    int(g.AccessExpires.Sub(s.Clock.Now()).Seconds()),
		RefreshToken: g.Refresh,
		CustomerId:   g.Customer,
		DeviceToken:  g.Device,
	})
}

// LogOut implements api.ServerInterface.
func (s *Server) LogOut(w http.ResponseWriter, r *http.Request) {
	s.answerGone(w, r, s.Accounts.Logout(r.Context(), principal(w)))
}

// LogOutEverywhere implements api.ServerInterface.
func (s *Server) LogOutEverywhere(w http.ResponseWriter, r *http.Request) {
	_, err := s.Accounts.LogoutEverywhere(r.Context(), principal(w))
	s.answerGone(w, r, err)
}

func (s *Server) answerGone(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// CreateKey implements api.ServerInterface.
func (s *Server) CreateKey(w http.ResponseWriter, r *http.Request) {
	var in api.KeyInput
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	roles := make([]string, len(in.Roles))
	for i, role := range in.Roles {
		roles[i] = string(role)
	}
	key, text, err := s.Accounts.CreateKey(r.Context(), in.Name, roles)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	listed := keyOf(&key)
	s.answer(w, r, http.StatusCreated, api.CreatedKey{Id: listed.Id, Name: listed.Name, Roles: listed.Roles, CreatedAt: listed.CreatedAt, Key: text})
}

// ListKeys implements api.ServerInterface.
func (s *Server) ListKeys(w http.ResponseWriter, r *http.Request, params api.ListKeysParams) {
	limit, after, err := pageOf[id.AdminKey](w, r, params.Limit, params.Cursor)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found, err := s.Accounts.Keys(r.Context(), after, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	items, next := page(w, r, found, limit, func(k *account.Key) id.AdminKey { return k.ID })
	out := api.KeyPage{Items: make([]api.Key, 0, len(items)), NextCursor: next}
	for i := range items {
		out.Items = append(out.Items, keyOf(&items[i]))
	}
	s.answer(w, r, http.StatusOK, out)
}

// RevokeKey implements api.ServerInterface.
func (s *Server) RevokeKey(w http.ResponseWriter, r *http.Request, key api.AdminKeyId) {
	_, err := s.Accounts.RevokeKey(r.Context(), key)
	s.answerGone(w, r, err)
}

func keyOf(k *account.Key) api.Key {
	roles := make([]api.Role, len(k.Roles))
	for i, role := range k.Roles {
		roles[i] = api.Role(role)
	}
	return api.Key{Id: k.ID, Name: k.Name, Roles: roles, CreatedAt: api.At(k.CreatedAt), RevokedAt: api.At(k.RevokedAt)}
}

// ListAuditLog implements api.ServerInterface.
func (s *Server) ListAuditLog(w http.ResponseWriter, r *http.Request, params api.ListAuditLogParams) {
	limit, before, err := pageOf[id.AuditEntry](w, r, params.Limit, params.Cursor)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found, err := s.Accounts.Log(r.Context(), auditlog.Filter{Subject: params.Subject, Before: before, Limit: limit + 1})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	items, next := page(w, r, found, limit, func(e *auditlog.Entry) id.AuditEntry { return e.ID })
	out := api.AuditLogPage{Items: make([]api.AuditLogEntry, 0, len(items)), NextCursor: next}
	for _, e := range items {
		out.Items = append(out.Items, api.AuditLogEntry{
			Id: e.ID, CreatedAt: api.At(e.At), KeyId: e.Key, Actor: e.Actor, Operation: e.Verb, Subject: e.Subject, Reason: e.Reason,
		})
	}
	s.answer(w, r, http.StatusOK, out)
}

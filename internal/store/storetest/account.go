package storetest

import (
	"crypto/sha256"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/store"
)

// Account checks the contract of account.Store. Each call of open returns a migrated store without rows.
func Account(t *testing.T, open func(t *testing.T) *store.Store) {
	Sessions(t, func(t *testing.T) account.SessionStore { return open(t) })
	for name, check := range map[string]func(*testing.T, account.Store){
		"customers":                         customers,
		"customers are blocked":             customersAreBlocked,
		"keys":                              keys,
		"keys are counted":                  keysAreCounted,
		"a deed is logged with what it did": deedsAreLogged,
		"sign-ins to the console":           consolesEnd,
	} {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
}

// Sessions checks the contract of account.SessionStore. Each call of open returns one without sessions.
func Sessions(t *testing.T, open func(t *testing.T) account.SessionStore) {
	for name, check := range map[string]func(*testing.T, account.SessionStore){
		"sessions rotate once":                  sessionsRotateOnce,
		"sessions rotate once, all at once":     sessionsRotateOnceUnderConcurrency,
		"an ended session does not rotate":      endedSessionsDoNotRotate,
		"the oldest sessions end":               oldestSessionsEnd,
		"every session ends":                    everySessionEnds,
		"open sessions are listed":              openSessionsAreListed,
		"revocations are read from a position":  revocationsAreReadOn,
		"what has ended is deleted in portions": deletedInPortions,
	} {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
}

var accountNoon = time.Date(2026, 11, 27, 12, 0, 0, 123_000_000, time.UTC)

func customers(t *testing.T, s account.Store) {
	ctx := t.Context()
	ann := account.Customer{ID: 1, Email: "ann@example.com", CreatedAt: accountNoon}
	must(t, s.InsertCustomer(ctx, ann, "hash"))
	second := account.Customer{ID: 2, Email: ann.Email, CreatedAt: accountNoon}
	if err := s.InsertCustomer(ctx, second, "other"); !errors.Is(err, fault.Conflict) {
		t.Errorf("the same address: %v, want conflict", err)
	}
	got, err := s.Customer(ctx, 1)
	must(t, err)
	same(t, "Customer", got, ann)
	got, hash, err := s.CustomerByEmail(ctx, ann.Email)
	must(t, err)
	same(t, "CustomerByEmail", got, ann)
	same(t, "hash", hash, "hash")
	must(t, s.ReplacePasswordHash(ctx, 1, "stale", "newer"))
	must(t, s.ReplacePasswordHash(ctx, 1, "hash", "new"))
	_, hash, err = s.CustomerByEmail(ctx, ann.Email)
	must(t, err)
	same(t, "replaced hash", hash, "new")
	if _, err := s.Customer(ctx, 2); !errors.Is(err, fault.NotFound) {
		t.Errorf("a customer that is not there: %v", err)
	}
	// Addresses compare by bytes in every engine, because package account normalises them.
	for _, email := range []string{"bob@example.com", "Ann@example.com", "ann@example.com ", "änn@example.com"} {
		if _, _, err := s.CustomerByEmail(ctx, email); !errors.Is(err, fault.NotFound) {
			t.Errorf("%q: %v, want not found", email, err)
		}
	}
}

func customersAreBlocked(t *testing.T, s account.Store) {
	ctx := t.Context()
	var all []account.Customer
	for i := range id.Customer(4) {
		c := account.Customer{ID: i + 1, Email: strconv.Itoa(int(i)) + "@example.com", CreatedAt: accountNoon}
		must(t, s.InsertCustomer(ctx, c, "hash"))
		all = append([]account.Customer{c}, all...)
	}
	page, err := s.Customers(ctx, 0, 3)
	must(t, err)
	same(t, "the newest", page, all[:3])
	page, err = s.Customers(ctx, 2, 3)
	must(t, err)
	same(t, "the next page", page, all[3:])

	blocked := all[1]
	blocked.BlockedAt = accountNoon.Add(time.Minute)
	got, err := s.SetBlocked(ctx, blocked.ID, blocked.BlockedAt)
	must(t, err)
	same(t, "blocked", got, blocked)
	got, err = s.SetBlocked(ctx, blocked.ID, blocked.BlockedAt.Add(time.Hour))
	must(t, err)
	same(t, "blocked again", got, blocked)
	got, err = s.Customer(ctx, blocked.ID)
	must(t, err)
	same(t, "read by id", got, blocked)
	got, _, err = s.CustomerByEmail(ctx, blocked.Email)
	must(t, err)
	same(t, "read by address", got, blocked)
	got, err = s.SetBlocked(ctx, blocked.ID, time.Time{})
	must(t, err)
	same(t, "unblocked", got, all[1])
	page, err = s.Customers(ctx, 0, 9)
	must(t, err)
	same(t, "all", page, all)
	if _, err := s.SetBlocked(ctx, 9, accountNoon); !errors.Is(err, fault.NotFound) {
		t.Errorf("blocking a customer who is not there: %v", err)
	}
}

func newSession(session id.Session, customer id.Customer) account.Session {
	at := accountNoon.Add(time.Duration(session) * time.Millisecond)
	return account.Session{
		ID:        session,
		Customer:  customer,
		Family:    sha256.Sum256([]byte("family")),
		Current:   sha256.Sum256([]byte("current")),
		RotatedAt: at,
		CreatedAt: at,
		ExpiresAt: at.Add(24 * time.Hour),
	}
}

func insertSession(t *testing.T, s account.SessionStore, v account.Session, openMax int) []id.Session {
	t.Helper()
	ended, err := s.InsertSession(t.Context(), v, openMax, v.CreatedAt.Add(time.Hour))
	must(t, err)
	return ended
}

func rotated(v account.Session, to string) account.Session {
	v.Previous = v.Current
	v.Current = sha256.Sum256([]byte(to))
	v.Salt = [16]byte{1, 2, 3}
	v.RotatedAt = v.RotatedAt.Add(time.Minute)
	v.ExpiresAt = v.ExpiresAt.Add(time.Minute)
	return v
}

func sessionsRotateOnce(t *testing.T, s account.SessionStore) {
	ctx := t.Context()
	first := newSession(1, 7)
	insertSession(t, s, first, 5)
	got, err := s.Session(ctx, 1)
	must(t, err)
	same(t, "inserted", got, first)
	second := rotated(first, "second")
	done, err := s.RotateSession(ctx, second, first.Current)
	if err != nil || !done {
		t.Fatalf("RotateSession = %t, %v", done, err)
	}
	done, err = s.RotateSession(ctx, rotated(first, "other"), first.Current)
	if err != nil || done {
		t.Errorf("RotateSession from an old hash = %t, %v", done, err)
	}
	got, err = s.Session(ctx, 1)
	must(t, err)
	same(t, "rotated", got, second)
	if _, err := s.Session(ctx, 2); !errors.Is(err, fault.NotFound) {
		t.Errorf("a session that is not there: %v", err)
	}
}

func sessionsRotateOnceUnderConcurrency(t *testing.T, s account.SessionStore) {
	first := newSession(1, 7)
	insertSession(t, s, first, 5)
	var wg sync.WaitGroup
	var won atomic.Int32
	for i := range 20 {
		wg.Go(func() {
			done, err := s.RotateSession(t.Context(), rotated(first, strconv.Itoa(i)), first.Current)
			if err != nil {
				t.Error(err)
			}
			if done {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 20 rotated the session, want 1", won.Load())
	}
}

func endedSessionsDoNotRotate(t *testing.T, s account.SessionStore) {
	ctx := t.Context()
	first := newSession(1, 7)
	insertSession(t, s, first, 5)
	end, until := accountNoon.Add(time.Minute), accountNoon.Add(time.Hour)
	must(t, s.RevokeSession(ctx, 1, end, until))
	must(t, s.RevokeSession(ctx, 1, end.Add(time.Minute), until.Add(time.Minute))) // again: no effect
	must(t, s.RevokeSession(ctx, 99, end, until))                                  // unknown: no effect
	got, err := s.Session(ctx, 1)
	must(t, err)
	same(t, "RevokedAt", got.RevokedAt, end)
	same(t, "ExpiresAt", got.ExpiresAt, until)
	done, err := s.RotateSession(ctx, rotated(first, "second"), first.Current)
	if err != nil || done {
		t.Errorf("RotateSession of an ended session = %t, %v", done, err)
	}
	stamp(t, s)
	learnt, err := s.Revocations(ctx, 0, end, 10)
	must(t, err)
	if len(learnt) != 1 || learnt[0].Session != 1 || !learnt[0].Until.Equal(until) {
		t.Errorf("Revocations = %+v, want session 1 once", learnt)
	}
}

func oldestSessionsEnd(t *testing.T, s account.SessionStore) {
	insertSession(t, s, newSession(100, 8), 3) // another customer's
	for i := range id.Session(3) {
		if ended := insertSession(t, s, newSession(i+1, 7), 3); len(ended) != 0 {
			t.Fatalf("session %d ended %v", i+1, ended)
		}
	}
	same(t, "the fourth ends", insertSession(t, s, newSession(4, 7), 3), []id.Session{1})
	same(t, "the fifth, of one, ends", insertSession(t, s, newSession(5, 7), 1), []id.Session{4, 3, 2})
	for session, open := range map[id.Session]bool{1: false, 2: false, 4: false, 5: true, 100: true} {
		got, err := s.Session(t.Context(), session)
		must(t, err)
		if got.RevokedAt.IsZero() != open {
			t.Errorf("session %d: open = %t, want %t", session, !open, open)
		}
	}
	stamp(t, s)
	learnt, err := s.Revocations(t.Context(), 0, accountNoon, 10)
	must(t, err)
	if len(learnt) != 4 {
		t.Errorf("%d revocations, want 4: %+v", len(learnt), learnt)
	}
}

func everySessionEnds(t *testing.T, s account.SessionStore) {
	ctx := t.Context()
	for i := range id.Session(4) {
		insertSession(t, s, newSession(i+1, 7+id.Customer(i%2)), 5)
	}
	now, until := accountNoon.Add(time.Minute), accountNoon.Add(time.Hour)
	ended, err := s.RevokeSessions(ctx, 7, now, until)
	must(t, err)
	slices.Sort(ended)
	same(t, "ended", ended, []id.Session{1, 3})
	again, err := s.RevokeSessions(ctx, 7, now, until)
	must(t, err)
	if len(again) != 0 {
		t.Errorf("ended again: %v", again)
	}
}

func openSessionsAreListed(t *testing.T, s account.SessionStore) {
	ctx := t.Context()
	var all []account.Session
	for i := range id.Session(12) { // ids of one and two digits: sorted as numbers, not as texts
		v := newSession(i+1, 7)
		insertSession(t, s, v, 20)
		all = append([]account.Session{v}, all...)
	}
	insertSession(t, s, newSession(100, 8), 20) // another customer's
	must(t, s.RevokeSession(ctx, 11, accountNoon, accountNoon.Add(time.Hour)))
	all = slices.Delete(all, 1, 2)
	list := func(now time.Time, limit int) []account.Session {
		t.Helper()
		found, err := s.OpenSessions(ctx, 7, now, limit)
		must(t, err)
		return found
	}
	same(t, "open", list(accountNoon, 20), all)
	same(t, "the newest", list(accountNoon, 3), all[:3])
	same(t, "when all but one have expired", list(all[1].ExpiresAt, 20), all[:1])
	same(t, "when all have", len(list(all[0].ExpiresAt, 20)), 0)
}

func revocationsAreReadOn(t *testing.T, s account.SessionStore) {
	ctx := t.Context()
	for i := range id.Session(5) {
		insertSession(t, s, newSession(i+1, 7), 5)
		must(t, s.RevokeSession(ctx, i+1, accountNoon, accountNoon.Add(time.Duration(i+1)*time.Minute)))
	}
	var seen []id.Session
	var position int64
	for range 10 {
		stamp(t, s)
		page, err := s.Revocations(ctx, position, accountNoon, 2)
		must(t, err)
		for _, r := range page {
			if r.Position <= position {
				t.Fatalf("position %d after %d", r.Position, position)
			}
			position = r.Position
			seen = append(seen, r.Session)
		}
	}
	same(t, "in order, once", seen, []id.Session{1, 2, 3, 4, 5})

	// Revocations that outlive every access token are not read, and their positions are not reused after deletion.
	late := accountNoon.Add(4 * time.Minute)
	stamp(t, s)
	page, err := s.Revocations(ctx, 0, late, 10)
	must(t, err)
	if len(page) != 1 || page[0].Session != 5 {
		t.Errorf("four minutes later: %+v, want session 5", page)
	}
	_, err = s.DeleteEndedSessions(ctx, accountNoon.Add(time.Hour), 100)
	must(t, err)
	insertSession(t, s, newSession(6, 7), 5)
	must(t, s.RevokeSession(ctx, 6, accountNoon, accountNoon.Add(time.Hour)))
	stamp(t, s)
	page, err = s.Revocations(ctx, position, accountNoon, 10)
	must(t, err)
	if len(page) != 1 || page[0].Session != 6 {
		t.Errorf("after the ledger was emptied: %+v, want session 6", page)
	}
}

func deletedInPortions(t *testing.T, s account.SessionStore) {
	ctx := t.Context()
	for i := range id.Session(5) {
		insertSession(t, s, newSession(i+1, 7), 10)
	}
	insertSession(t, s, func() account.Session {
		v := newSession(6, 7)
		v.ExpiresAt = accountNoon.Add(48 * time.Hour)
		return v
	}(), 10)
	must(t, s.RevokeSession(ctx, 1, accountNoon, accountNoon.Add(time.Hour)))
	for _, step := range []struct {
		at      time.Duration
		deleted int
	}{{0, 0}, {time.Hour, 2}, {time.Hour, 0}, {25 * time.Hour, 3}, {25 * time.Hour, 1}, {25 * time.Hour, 0}} {
		n, err := s.DeleteEndedSessions(ctx, accountNoon.Add(step.at), 3)
		if err != nil || n != step.deleted {
			t.Errorf("after %s: %d deleted, %v; want %d", step.at, n, err, step.deleted)
		}
	}
	if _, err := s.Session(ctx, 6); err != nil {
		t.Errorf("the session that has not expired: %v", err)
	}
}

func keys(t *testing.T, s account.Store) {
	ctx := t.Context()
	hash := account.Hash(sha256.Sum256([]byte("tgk_1_x")))
	want := account.Key{ID: 1, Name: "Warehouse", Roles: account.Roles{account.RoleCatalog, account.RoleOrders}, CreatedAt: accountNoon}
	must(t, s.InsertKey(ctx, want, hash, 10))
	got, gotHash, err := s.KeyWithHash(ctx, 1)
	must(t, err)
	same(t, "key", got, want)
	same(t, "hash", gotHash, hash)
	revoked := accountNoon.Add(time.Minute)
	got, err = s.RevokeKey(ctx, 1, revoked)
	must(t, err)
	want.RevokedAt = revoked
	same(t, "revoked", got, want)
	got, err = s.RevokeKey(ctx, 1, revoked.Add(time.Minute))
	must(t, err)
	same(t, "revoked again", got, want)
	got, _, err = s.KeyWithHash(ctx, 1)
	must(t, err)
	same(t, "read when revoked", got, want)
	if _, err := s.RevokeKey(ctx, 2, revoked); !errors.Is(err, fault.NotFound) {
		t.Errorf("revoking a key that is not there: %v", err)
	}
	if _, _, err := s.KeyWithHash(ctx, 2); !errors.Is(err, fault.NotFound) {
		t.Errorf("reading a key that is not there: %v", err)
	}
}

func keysAreCounted(t *testing.T, s account.Store) {
	ctx := t.Context()
	insert := func(key id.AdminKey) error {
		return s.InsertKey(ctx, account.Key{ID: key, Name: "k", Roles: account.Roles{account.RoleAll}, CreatedAt: accountNoon}, account.Hash{}, 3)
	}
	for key := range id.AdminKey(3) {
		must(t, insert(key+1))
	}
	if err := insert(4); !errors.Is(err, fault.Conflict) {
		t.Errorf("the fourth of three: %v, want conflict", err)
	}
	_, err := s.RevokeKey(ctx, 2, accountNoon)
	must(t, err)
	must(t, insert(4)) // a revoked key does not count
	page, err := s.Keys(ctx, 1, 2)
	must(t, err)
	ids := []id.AdminKey{}
	for _, k := range page {
		ids = append(ids, k.ID)
	}
	same(t, "page after 1", ids, []id.AdminKey{2, 3})
}

func deedsAreLogged(t *testing.T, s account.Store) {
	ctx := t.Context()
	read := func(f auditlog.Filter) []auditlog.Entry {
		t.Helper()
		f.Limit = 10
		found, err := s.AuditLog(ctx, f)
		must(t, err)
		return found
	}
	entry := func(n id.AuditEntry, subject string) auditlog.Entry {
		return auditlog.Entry{
			ID: n, At: accountNoon, Key: 9, Actor: "Mara \u6d6a", Verb: "createKey", Subject: subject, Reason: "the warehouse needs one",
		}
	}
	hash := account.Hash(sha256.Sum256([]byte("tgk_1_x")))
	insert := func(e auditlog.Entry, key id.AdminKey) error {
		return s.InsertKey(auditlog.WithEntry(ctx, e), account.Key{ID: key, Name: "x", Roles: account.Roles{account.RoleSales}, CreatedAt: accountNoon}, hash, 3)
	}
	first, second, other := entry(1, "7"), entry(2, ""), entry(3, "8")
	must(t, insert(first, 1))
	must(t, insert(second, 2))
	// An action of several transactions has one entry.
	must(t, insert(other, 3))
	_, err := s.RevokeKey(auditlog.WithEntry(ctx, other), 3, accountNoon)
	must(t, err)
	// A refused action is not logged.
	must(t, insert(entry(5, "9"), 5))
	if err := insert(entry(4, "9"), 4); !errors.Is(err, fault.Conflict) {
		t.Fatalf("one key too many: %v", err)
	}
	same(t, "all, newest first", read(auditlog.Filter{}), []auditlog.Entry{entry(5, "9"), other, second, first})
	same(t, "the next page", read(auditlog.Filter{Before: 3}), []auditlog.Entry{second, first})
	same(t, "of one subject", read(auditlog.Filter{Subject: "7"}), []auditlog.Entry{first})
	same(t, "of one subject, the next page", read(auditlog.Filter{Subject: "7", Before: 1}), []auditlog.Entry(nil))
	// An action with effects outside the database is logged by itself, once; a context without an action is not logged.
	elsewhere := entry(6, "10")
	must(t, s.NoteDeed(auditlog.WithEntry(ctx, elsewhere)))
	must(t, s.NoteDeed(auditlog.WithEntry(ctx, elsewhere)))
	must(t, s.NoteDeed(ctx))
	same(t, "noted", read(auditlog.Filter{Subject: "10"}), []auditlog.Entry{elsewhere})
	must(t, s.InsertCustomer(ctx, account.Customer{ID: 1, Email: "ann@example.com", CreatedAt: accountNoon}, "hash"))
	if n := len(read(auditlog.Filter{})); n != 5 {
		t.Errorf("there are %d entries after a write that was nobody's deed", n)
	}
}

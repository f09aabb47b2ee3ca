package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

const (
	keyPrefix   = "tgk_"
	keyBytesMax = 128
	// keysMax bounds the valid keys: far more than a shop's staff and systems need.
	keysMax = 1000
	// keyRememberedFor is how long a key is trusted without asking the store. The rest of the promised second is for
	// the steps that check streams.
	keyRememberedFor = 250 * time.Millisecond
	// keysRememberedMax bounds the memory. Only keys that are in the store are remembered.
	keysRememberedMax = 2 * keysMax
)

// keyText uses digits and lower-case letters, so that a double click selects the whole key.
var keyText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newKeyText returns the text of a key: tgk_<id>_<256 random bits>. Only its hash is stored.
func newKeyText(key id.AdminKey) string {
	secret := make([]byte, 32)
	rand.Read(secret)
	return keyPrefix + key.String() + "_" + keyText.EncodeToString(secret)
}

// parseKeyText returns the id inside a key's text. It returns an Unauthenticated fault.
func parseKeyText(text string) (id.AdminKey, error) {
	rest, isOurs := strings.CutPrefix(text, keyPrefix)
	number, _, found := strings.Cut(rest, "_")
	if !isOurs || !found || len(text) > keyBytesMax {
		return 0, errBadKey()
	}
	key, err := id.Parse[id.AdminKey](number)
	if err != nil {
		return 0, errBadKey()
	}
	return key, nil
}

func errBadKey() error {
	return fault.New(fault.Unauthenticated, "The admin key is not good.")
}

// admins remembers the holders of keys. It is bounded and safe for concurrent use.
type admins struct {
	mu    sync.RWMutex
	known map[id.AdminKey]knownAdmin
	local map[id.AdminKey]knownAdmin // valid as long as the process
}

type knownAdmin struct {
	admin Admin
	hash  Hash
	until time.Time
}

func newAdmins() *admins {
	return &admins{known: map[id.AdminKey]knownAdmin{}, local: map[id.AdminKey]knownAdmin{}}
}

func (a *admins) get(key id.AdminKey, now time.Time) (knownAdmin, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if own, found := a.local[key]; found {
		return own, true
	}
	known, found := a.known[key]
	left := known.until.Sub(now)
	return known, found && left > 0 && left <= keyRememberedFor // more: the clock was set back
}

func (a *admins) put(key id.AdminKey, known knownAdmin) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= keysRememberedMax {
		clear(a.known) // each comes back with one read
	}
	a.known[key] = known
}

func (a *admins) forget(key id.AdminKey) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.known, key)
}

// holder returns the holder of a valid key. It returns an Unauthenticated fault for any other, and the errors of Store.
func (s *Service) holder(ctx context.Context, key id.AdminKey) (knownAdmin, error) {
	asked := s.clock.Now() // before the read, so that a key revoked during it is trusted no longer than others
	if known, found := s.admins.get(key, asked); found {
		return known, nil
	}
	row, hash, err := s.store.KeyWithHash(ctx, key)
	if errors.Is(err, fault.NotFound) || err == nil && !row.RevokedAt.IsZero() {
		return knownAdmin{}, errBadKey()
	}
	if err != nil {
		return knownAdmin{}, err
	}
	known := knownAdmin{admin: Admin{Key: row.ID, Name: row.Name, Roles: row.Roles}, hash: hash, until: asked.Add(keyRememberedFor)}
	s.admins.put(key, known)
	return known, nil
}

// AuthenticateAdmin returns the holder of a key. A key is trusted for a quarter of a second without asking the store
// again, so a key revoked in any process stops working within a second. It returns an Unauthenticated fault for every
// text that is not a valid key, and the errors of Store.
func (s *Service) AuthenticateAdmin(ctx context.Context, text string) (Admin, error) {
	key, err := parseKeyText(text)
	if err != nil {
		return Admin{}, err
	}
	known, err := s.holder(ctx, key)
	if err != nil {
		return Admin{}, err
	}
	if !known.hash.equals(sha256.Sum256([]byte(text))) {
		return Admin{}, errBadKey()
	}
	return known.admin, nil
}

// AddLocalKey makes a key with every role that is valid in this process until it ends. It is not stored. It returns the
// key's text.
func (s *Service) AddLocalKey() string {
	key := id.New[id.AdminKey](s.mint)
	text := newKeyText(key)
	s.admins.mu.Lock()
	defer s.admins.mu.Unlock()
	s.admins.local[key] = knownAdmin{admin: Admin{Name: "local", Roles: Roles{RoleAll}}, hash: sha256.Sum256([]byte(text))}
	return text
}

// CreateKey makes an admin key. It returns the key's text, which is not stored and cannot be read again. It returns an
// Invalid fault of the field name or roles, Conflict if there are too many keys, and the errors of Store.
func (s *Service) CreateKey(ctx context.Context, name string, roles []string) (Key, string, error) {
	name, err := text.Clean("name", name, text.Name, 1, nameCharactersMax)
	if err != nil {
		return Key{}, "", err
	}
	key := Key{ID: id.New[id.AdminKey](s.mint), Name: name, CreatedAt: s.now()}
	if key.Roles, err = ParseRoles(roles); err != nil {
		return Key{}, "", err
	}
	text := newKeyText(key.ID)
	if err := s.store.InsertKey(auditlog.About(ctx, key.ID.String()), key, sha256.Sum256([]byte(text)), keysMax); err != nil {
		return Key{}, "", err
	}
	return key, text, nil
}

// Keys returns keys with ids above after, including revoked ones, at most limit. It returns the errors of Store.
func (s *Service) Keys(ctx context.Context, after id.AdminKey, limit int) ([]Key, error) {
	return s.store.Keys(ctx, after, limit)
}

// RevokeKey revokes a key: immediately in this process, within a second in others. Revoking it again does nothing. It
// returns NotFound, and the errors of Store.
func (s *Service) RevokeKey(ctx context.Context, key id.AdminKey) (Key, error) {
	revoked, err := s.store.RevokeKey(ctx, key, s.now())
	if err == nil {
		s.admins.forget(key)
	}
	return revoked, err
}

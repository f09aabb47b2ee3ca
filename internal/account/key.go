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

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

const (
	keyPrefix   = "tgk_"
	keyBytesMax = 128
	// keysMax bounds the keys that are good at one time: far beyond what a shop's staff and systems need.
	keysMax = 1000
	// keyRememberedFor is how long a key is believed without asking the store: what "revoked within a second" allows.
	// Half of it is left for the request that is under way.
	keyRememberedFor = 500 * time.Millisecond
	// keysRememberedMax bounds the memory; only keys that the store knows get in.
	keysRememberedMax = 2 * keysMax
)

// keyText is digits and lower-case letters, so that a double click takes the whole key.
var keyText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newKeyText returns the text of a key: tgk_<id>_<256 random bits>. Only its hash is kept.
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

// admins remembers who holds a key. It is bounded and safe for concurrent use.
type admins struct {
	mu    sync.RWMutex
	known map[Hash]knownAdmin
	local map[Hash]Admin
}

type knownAdmin struct {
	admin Admin
	until time.Time
}

func newAdmins() *admins {
	return &admins{known: map[Hash]knownAdmin{}, local: map[Hash]Admin{}}
}

func (a *admins) get(hash Hash, now time.Time) (Admin, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if admin, found := a.local[hash]; found {
		return admin, true
	}
	known, found := a.known[hash]
	return known.admin, found && now.Before(known.until)
}

func (a *admins) put(hash Hash, admin Admin, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= keysRememberedMax {
		clear(a.known) // each comes back with one read
	}
	a.known[hash] = knownAdmin{admin: admin, until: until}
}

func (a *admins) forget(key id.AdminKey) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for hash, known := range a.known {
		if known.admin.Key == key {
			delete(a.known, hash)
		}
	}
}

// AuthenticateAdmin returns the holder of a key. A key is believed for half a second without asking the store again, so
// one that is revoked, here or in another process, stops working within the second. It returns an Unauthenticated fault
// for every text that is not a good key, and what Store returns.
func (s *Service) AuthenticateAdmin(ctx context.Context, text string) (Admin, error) {
	key, err := parseKeyText(text)
	if err != nil {
		return Admin{}, err
	}
	hash := Hash(sha256.Sum256([]byte(text)))
	asked := s.clock.Now() // before the read: what is revoked during it must not be believed a moment longer
	if admin, found := s.admins.get(hash, asked); found {
		return admin, nil
	}
	row, want, err := s.store.KeyWithHash(ctx, key)
	if errors.Is(err, fault.NotFound) {
		return Admin{}, errBadKey()
	}
	if err != nil {
		return Admin{}, err
	}
	if !want.equals(hash) || !row.RevokedAt.IsZero() {
		return Admin{}, errBadKey()
	}
	admin := Admin{Key: row.ID, Name: row.Name, Roles: row.Roles}
	s.admins.put(hash, admin, asked.Add(keyRememberedFor))
	return admin, nil
}

// AddLocalKey makes a key with every role that is good in this process, until it ends, and is written nowhere by it. It
// returns the key's text.
func (s *Service) AddLocalKey() string {
	text := newKeyText(id.New[id.AdminKey](s.mint))
	s.admins.mu.Lock()
	defer s.admins.mu.Unlock()
	s.admins.local[sha256.Sum256([]byte(text))] = Admin{Name: "local", Roles: Roles{RoleAll}}
	return text
}

// CreateKey makes an admin key. Its text is returned this once and kept nowhere. It returns an Invalid fault of the
// field name or roles, Conflict when there are too many keys, and what Store returns.
func (s *Service) CreateKey(ctx context.Context, name string, roles []string) (Key, string, error) {
	name, err := cleanName(name)
	if err != nil {
		return Key{}, "", err
	}
	if name == "" {
		return Key{}, "", fault.Bad("name", "Say what the key is for.")
	}
	key := Key{ID: id.New[id.AdminKey](s.mint), Name: name, CreatedAt: s.now()}
	if key.Roles, err = ParseRoles(roles); err != nil {
		return Key{}, "", err
	}
	text := newKeyText(key.ID)
	if err := s.store.InsertKey(ctx, key, sha256.Sum256([]byte(text)), keysMax); err != nil {
		return Key{}, "", err
	}
	return key, text, nil
}

// Keys returns keys, revoked ones too, by id beyond after, at most limit. It returns what Store returns.
func (s *Service) Keys(ctx context.Context, after id.AdminKey, limit int) ([]Key, error) {
	return s.store.Keys(ctx, after, limit)
}

// RevokeKey ends a key: at once in this process, within a second in others. Revoking it again does nothing. It returns
// NotFound, and what Store returns.
func (s *Service) RevokeKey(ctx context.Context, key id.AdminKey) (Key, error) {
	revoked, err := s.store.RevokeKey(ctx, key, s.now())
	if err == nil {
		s.admins.forget(key)
	}
	return revoked, err
}

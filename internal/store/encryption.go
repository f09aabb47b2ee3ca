package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/encryption"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// errNoKeys says that UseKeys has not been called.
var errNoKeys = errors.New("the store has no encryption keys")

// KeyIDs returns the ids of the keys that encrypt secrets in the database, newest first. A new database has none.
func (s *Store) KeyIDs(ctx context.Context) ([]string, error) {
	var ids string
	err := s.queryRow(ctx, "SELECT ids FROM encryption_key WHERE number = 1", nil, &ids)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return strings.Split(ids, ","), nil
}

// UseKeys sets the encryption keys. The first key encrypts new secrets, and UseKeys re-encrypts with it everything that
// is plain text or uses an older key. It returns an error if keys lacks one that the database needs. Call it before any
// read or write of a secret. It returns the number of rows it encrypted, and of rows it left because no key decrypts
// them.
func (s *Store) UseKeys(ctx context.Context, keys *encryption.Keys) (encrypted, left int, err error) {
	ids, err := s.KeyIDs(ctx)
	if err != nil {
		return 0, 0, err
	}
	if !slices.Contains(ids, keys.ID()) {
		ids, err = s.registerKey(ctx, keys)
	}
	if err == nil {
		err = lacksNone(keys, ids)
	}
	if err != nil {
		return 0, 0, err
	}
	s.keys = keys
	if encrypted, left, err = s.encryptEndpoints(ctx); err != nil {
		return 0, 0, err
	}
	if left > 0 || len(ids) == 1 {
		return encrypted, left, nil
	}
	// Forget older keys, unless another process has registered a newer one meanwhile; its start will forget them. A
	// process that still uses an older key registers it again when it encrypts, and the next start re-encrypts those
	// rows.
	return encrypted, left, s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec("UPDATE encryption_key SET ids = ? WHERE number = 1 AND ids = ?", keys.ID(), strings.Join(ids, ","))
		return err
	})
}

// lacksNone returns an error if a required key is not among keys.
func lacksNone(keys *encryption.Keys, ids []string) error {
	for _, one := range ids {
		if !keys.Has(one) {
			return fmt.Errorf("the database was encrypted with the key %s, which is not among the keys of this process", one)
		}
	}
	return nil
}

// registerKey stores the newest key's id before anything is encrypted with it, and returns all ids. It stores nothing
// if keys lacks one: of two processes that start on a new database with different keys, one is refused.
func (s *Store) registerKey(ctx context.Context, keys *encryption.Keys) (ids []string, err error) {
	err = s.write(ctx, jobs, func(tx *Tx) error {
		if _, err := tx.Exec("INSERT INTO encryption_key (number, ids) VALUES (1, ?)"+tx.orNothing("encryption_key", "number"), keys.ID()); err != nil {
			return err
		}
		var text string
		if err := tx.QueryRow("SELECT ids FROM encryption_key WHERE number = 1", nil, &text); err != nil {
			return err
		}
		ids = strings.Split(text, ",")
		if err := lacksNone(keys, ids); err != nil || slices.Contains(ids, keys.ID()) {
			return err
		}
		ids = append([]string{keys.ID()}, ids...)
		n, err := tx.Exec("UPDATE encryption_key SET ids = ? WHERE number = 1 AND ids = ?", strings.Join(ids, ","), text)
		if err == nil && n == 0 {
			err = fault.New(fault.Conflict, "The encryption keys of the database were changed at the same time; start again.")
		}
		return err
	})
	return ids, err
}

// endpointSecrets holds the stored secrets of an endpoint.
type endpointSecrets struct {
	id             id.Endpoint
	secret, before string
}

// encryptEndpoints encrypts the secrets of all endpoints in one transaction. There are few of them.
func (s *Store) encryptEndpoints(ctx context.Context) (encrypted, left int, err error) {
	rows, err := s.query(ctx, "SELECT id, secret, secret_before FROM webhook_endpoint ORDER BY id")
	all, err := collect(rows, err, func(rows *sql.Rows) (e endpointSecrets, err error) {
		return e, rows.Scan(&e.id, &e.secret, &e.before)
	})
	if err != nil {
		return 0, 0, err
	}
	var stale, fresh []endpointSecrets
	for _, e := range all {
		now, err := s.encryptAnew(e)
		switch {
		case err != nil:
			left++
		case now != e:
			stale, fresh = append(stale, e), append(fresh, now)
		}
	}
	if len(stale) == 0 {
		return 0, left, nil
	}
	if err := s.write(ctx, jobs, func(tx *Tx) error {
		for i, e := range stale {
			if _, err := tx.Exec("UPDATE webhook_endpoint SET secret = ?, secret_before = ? WHERE id = ? AND secret = ? AND secret_before = ?",
				fresh[i].secret, fresh[i].before, e.id, e.secret, e.before); err != nil {
				return err
			}
		}
		return s.engine.RewriteRows(tx.Tx, "webhook_endpoint")
	}); err != nil {
		return 0, 0, err
	}
	return len(stale), left, s.engine.ForgetOverwritten(ctx)
}

// encryptAnew returns the secrets, encrypted with the newest key.
func (s *Store) encryptAnew(e endpointSecrets) (endpointSecrets, error) {
	for _, text := range []*string{&e.secret, &e.before} {
		if *text == "" || encryption.KeyOf(*text) == s.keys.ID() {
			continue
		}
		plain, err := s.keys.Decrypt(*text, endpointRow(e.id))
		if err != nil {
			return e, err
		}
		*text = s.keys.Encrypt(plain, endpointRow(e.id))
	}
	return e, nil
}

func endpointRow(e id.Endpoint) string { return "webhook_endpoint/" + e.String() }

// decryptEndpoint returns a secret of an endpoint. It returns an empty string if decryption fails, so that a damaged
// row does not hide the others.
func (s *Store) decryptEndpoint(e id.Endpoint, text string) (string, error) {
	if s.keys == nil {
		return "", errNoKeys
	}
	plain, err := s.keys.Decrypt(text, endpointRow(e))
	if err != nil {
		return "", nil
	}
	return plain, nil
}

func (s *Store) encryptEndpoint(e id.Endpoint, text string) (string, error) {
	if s.keys == nil {
		return "", errNoKeys
	}
	return s.keys.Encrypt(text, endpointRow(e)), nil
}

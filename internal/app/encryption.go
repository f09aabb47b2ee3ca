package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/tidegate/tidegate/internal/app/folder"
	"github.com/tidegate/tidegate/internal/kernel/encryption"
	"github.com/tidegate/tidegate/internal/kernel/keyfile"
)

// encryptionKeyFile is the name of the file that is made where the settings name none: beside the signing keys, because processes that
// share those share these, too.
const encryptionKeyFile = "encryption.key"

func encryptionKeyPath(c Config, dir string) string {
	switch path := c.Encryption.KeyFile; {
	case path == "":
		return filepath.Join(filepath.Dir(signingKeyPath(c, dir)), encryptionKeyFile)
	case filepath.IsAbs(path):
		return path
	default:
		return filepath.Join(dir, path)
	}
}

// openEncryption gives the store its keys, which encrypt whatever is not encrypted with the newest.
func (a *App) openEncryption(ctx context.Context) error {
	keys, err := a.encryptionKeys(ctx)
	if err != nil {
		return fmt.Errorf("encryption keys: %w", err)
	}
	encrypted, left, err := a.store.UseKeys(ctx, keys)
	if err != nil {
		return fmt.Errorf("encryption keys (%s): %w", a.encryptionSource(), err)
	}
	if encrypted > 0 {
		a.log.InfoContext(ctx, "secrets encrypted", "webhook_endpoints", encrypted, "key", keys.ID())
	}
	if left > 0 {
		a.log.ErrorContext(ctx, "secrets cannot be decrypted: bring the key back, or rotate the secrets", "webhook_endpoints", left)
	}
	return nil
}

func (a *App) encryptionSource() string {
	if a.config.Encryption.Keys != "" {
		return "encryption.keys"
	}
	return encryptionKeyPath(a.config, a.folder.Path)
}

// encryptionKeys reads the keys, and makes the first for a database that has seen none. A database that has is not given a new one: what the
// old one encrypted would be lost.
func (a *App) encryptionKeys(ctx context.Context) (*encryption.Keys, error) {
	if a.config.Encryption.Keys != "" {
		return encryption.Parse(a.config.Encryption.Keys)
	}
	path := encryptionKeyPath(a.config, a.folder.Path)
	text, err := keyfile.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		ids, idsErr := a.store.KeyIDs(ctx)
		if idsErr != nil {
			return nil, idsErr
		}
		if len(ids) > 0 {
			return nil, fmt.Errorf("the database was encrypted with the key %s, and there is no file %s: put the file with that key there, or name it with encryption.key_file (docs/restore.md says what to do where it is lost)",
				strings.Join(ids, ", "), path)
		}
		if err := keyfile.Create(path, encryption.NewText()); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("the first one cannot be made; name another place with encryption.key_file: %w", err)
		}
		text, err = keyfile.Read(path)
	}
	if err != nil {
		return nil, err
	}
	keys, err := encryption.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

// keyFiles are the files that hold keys.
func keyFiles(c Config, path string) []string {
	return []string{signingKeyPath(c, path), encryptionKeyPath(c, path), filepath.Join(path, folder.KeysFolder, folder.SandboxSecretFile)}
}

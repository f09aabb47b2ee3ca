package account

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/keyfile"
)

const (
	signingKeyBytes = 32 // as long as the hash of HS256: RFC 7518 section 3.2
	// signingKeysMax bounds the list: verification tries each key in turn.
	signingKeysMax = 8
)

// Keyring holds the secrets that sign and verify access tokens. The first one signs. String hides them.
//
// A key file has one key a line, 32 bytes or more in unpadded base64url; blank lines and lines that begin with # are
// ignored. To rotate, put a new key on the first line and restart the processes. Remove the old line once the tokens
// that it signed have expired.
type Keyring struct{ keys [][]byte }

// String implements fmt.Stringer without showing a key.
func (k Keyring) String() string { return fmt.Sprintf("%d signing keys", len(k.keys)) }

// GoString implements fmt.GoStringer without showing a key.
func (k Keyring) GoString() string { return k.String() }

// NewKeyring returns a ring with one new key.
func NewKeyring() Keyring {
	key := make([]byte, signingKeyBytes)
	rand.Read(key)
	return Keyring{keys: [][]byte{key}}
}

// ParseKeyring parses the text of a key file. An error names the line, never its contents.
func ParseKeyring(text string) (Keyring, error) {
	var ring Keyring
	line := 0
	for raw := range strings.Lines(text) {
		line++
		raw = strings.TrimSpace(raw)
		if raw == "" || strings.HasPrefix(raw, "#") {
			continue
		}
		key, err := base64.RawURLEncoding.DecodeString(raw)
		if err != nil || len(key) < signingKeyBytes {
			return Keyring{}, fmt.Errorf("line %d is not a key: %d bytes or more in unpadded base64url", line, signingKeyBytes)
		}
		ring.keys = append(ring.keys, key)
	}
	if len(ring.keys) == 0 || len(ring.keys) > signingKeysMax {
		return Keyring{}, fmt.Errorf("there are %d keys: 1 to %d are taken", len(ring.keys), signingKeysMax)
	}
	return ring, nil
}

// ReadKeyring reads the key file at path. It rejects a file that users other than its owner can read. Its error for a
// missing file satisfies errors.Is(err, fs.ErrNotExist).
func ReadKeyring(path string) (Keyring, error) {
	text, err := keyfile.Read(path)
	if err != nil {
		return Keyring{}, fmt.Errorf("signing keys: %w", err)
	}
	ring, err := ParseKeyring(text)
	if err != nil {
		return Keyring{}, fmt.Errorf("signing keys: %s: %w", path, err)
	}
	return ring, nil
}

// OpenKeyring reads the key file at path. It creates a missing file with one new key (mode 0600, its folder 0700). Two
// processes that create it concurrently get the same key. It returns the errors of ReadKeyring, except for a missing
// file, and an error if the file cannot be created.
func OpenKeyring(path string) (Keyring, error) {
	ring, err := ReadKeyring(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, err
	}
	if err := createKeyFile(path, NewKeyring()); err != nil && !errors.Is(err, fs.ErrExist) {
		return Keyring{}, fmt.Errorf("signing keys: %w", err)
	}
	return ReadKeyring(path)
}

func createKeyFile(path string, ring Keyring) error {
	var text strings.Builder
	text.WriteString("# Signs access tokens. The first key signs, all verify. Whoever reads this file can be any customer.\n")
	for _, key := range ring.keys {
		text.WriteString(base64.RawURLEncoding.EncodeToString(key) + "\n")
	}
	return keyfile.Create(path, text.String())
}

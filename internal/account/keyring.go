package account

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	signingKeyBytes = 32 // as long as the hash of HS256: RFC 7518 section 3.2
	// signingKeysMax bounds the list: verifying tries each key in turn.
	signingKeysMax = 8
	keyFileBytes   = 4096
)

// Keyring is the secrets that sign and verify access tokens, the first of which signs. Its String hides them.
//
// In a file there is one key a line, 32 bytes or more in unpadded base64url; blank lines and lines that begin with # are
// passed over. To rotate, put a new key on the first line and start the processes again; take the old line out once the
// tokens that it signed have expired.
type Keyring struct{ keys [][]byte }

// String implements fmt.Stringer and shows no key.
func (k Keyring) String() string { return fmt.Sprintf("%d signing keys", len(k.keys)) }

// GoString implements fmt.GoStringer and shows no key.
func (k Keyring) GoString() string { return k.String() }

// NewKeyring returns a ring with one new key.
func NewKeyring() Keyring {
	key := make([]byte, signingKeyBytes)
	rand.Read(key)
	return Keyring{keys: [][]byte{key}}
}

// ParseKeyring reads the text of a key file. The error names the line, never its contents.
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

// ReadKeyring reads the key file at path. It refuses a file that others than its owner may read, and returns an error
// for which errors.Is(err, fs.ErrNotExist) holds when there is none.
func ReadKeyring(path string) (Keyring, error) {
	file, err := os.Open(path)
	if err != nil {
		return Keyring{}, fmt.Errorf("signing keys: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Keyring{}, fmt.Errorf("signing keys: %w", err)
	}
	if mode := info.Mode(); !mode.IsRegular() || tooOpen(mode.Perm()) {
		return Keyring{}, fmt.Errorf("signing keys: %s has mode %s: it must be a file that only its owner writes and the world cannot read (chmod 600)", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(file, keyFileBytes+1))
	if err != nil {
		return Keyring{}, fmt.Errorf("signing keys: %w", err)
	}
	if len(text) > keyFileBytes {
		return Keyring{}, fmt.Errorf("signing keys: %s is larger than %d bytes", path, keyFileBytes)
	}
	ring, err := ParseKeyring(string(text))
	if err != nil {
		return Keyring{}, fmt.Errorf("signing keys: %s: %w", path, err)
	}
	return ring, nil
}

// tooOpen reports whether the group may write the file or the world do anything with it. A group that reads is let be:
// that is how containers are given a secret. Windows does not say who may read a file in its mode.
func tooOpen(mode fs.FileMode) bool { return runtime.GOOS != "windows" && mode&0o027 != 0 }

// OpenKeyring reads the key file at path, and creates it with one new key (mode 0600, its folder 0700) when there is
// none. Two processes that create it at once end up with the same key: the one that was first. It returns what ReadKeyring
// does, but for a missing file, and an error where the file cannot be made.
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

// createKeyFile writes the ring beside path and links it into place, so that nobody ever reads half a key, and a file
// that is there already is left alone (fs.ErrExist).
func createKeyFile(path string, ring Keyring) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	var text bytes.Buffer
	text.WriteString("# Signs access tokens. The first key signs, all verify. Whoever reads this file can be any customer.\n")
	for _, key := range ring.keys {
		text.WriteString(base64.RawURLEncoding.EncodeToString(key) + "\n")
	}
	file, err := os.CreateTemp(folder, ".signing-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(text.Bytes())
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Link(file.Name(), path)
}

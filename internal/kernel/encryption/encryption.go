// Package encryption encrypts the secrets in the shop's database with keys that are outside it. It uses AES-256-GCM,
// stores the key's id with the text, and has the text's row as associated data, so that a text copied to another row is
// rejected.
package encryption

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	keyBytes = 32
	// keysMax bounds a shop's keys: the one that encrypts, and older ones until nothing encrypted with them is left.
	keysMax = 8
	// mark is the prefix of Encrypt's results. No secret begins with it.
	mark = "aes256gcm:"
)

// ErrUnknownKey says that a text was encrypted with a key that the shop does not have.
var ErrUnknownKey = errors.New("it was encrypted with a key that this process does not have")

// errDamaged says that a text is not the one that was encrypted for its row.
var errDamaged = errors.New("it cannot be decrypted: it is damaged, or it was copied from another row")

// Keys are the keys of a shop: the first encrypts, all decrypt. String hides them. It is safe for concurrent use.
type Keys struct{ all []key }

type key struct {
	id   string
	aead cipher.AEAD
}

// String implements fmt.Stringer without showing a key.
func (k *Keys) String() string { return fmt.Sprintf("%d encryption keys", len(k.all)) }

// GoString implements fmt.GoStringer without showing a key.
func (k *Keys) GoString() string { return k.String() }

// NewText returns the text of a key file with one new key.
func NewText() string {
	raw := make([]byte, keyBytes)
	rand.Read(raw) // never fails
	return "# Encrypts the secrets in the database. The first key encrypts, all decrypt. Keep a copy apart from the database's backups:\n" +
		"# without it those secrets are lost, and with both whoever has them reads them.\n" +
		base64.RawURLEncoding.EncodeToString(raw) + "\n"
}

// Parse parses keys of 32 bytes in unpadded base64url, one a line or separated by commas. It ignores lines that begin
// with #. An error names the line, never its contents.
func Parse(text string) (*Keys, error) {
	keys, line := &Keys{}, 0
	for raw := range strings.Lines(text) {
		line++
		if strings.HasPrefix(strings.TrimSpace(raw), "#") {
			continue
		}
		for one := range strings.SplitSeq(raw, ",") {
			if one = strings.TrimSpace(one); one == "" {
				continue
			}
			secret, err := base64.RawURLEncoding.DecodeString(one)
			if err != nil || len(secret) != keyBytes {
				return nil, fmt.Errorf("line %d is not a key: %d bytes in unpadded base64url", line, keyBytes)
			}
			keys.all = append(keys.all, newKey(secret))
		}
	}
	if len(keys.all) == 0 || len(keys.all) > keysMax {
		return nil, fmt.Errorf("there are %d keys: 1 to %d are taken", len(keys.all), keysMax)
	}
	return keys, nil
}

func newKey(secret []byte) key {
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(err) // the length is right
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // the block is AES's
	}
	hash := sha256.Sum256(append([]byte("tidegate encryption key id: "), secret...))
	return key{hex.EncodeToString(hash[:8]), aead}
}

// ID returns the id of the key that encrypts. It is not secret.
func (k *Keys) ID() string { return k.all[0].id }

// Has reports whether a key is among these.
func (k *Keys) Has(id string) bool { return k.find(id) != nil }

func (k *Keys) find(id string) *key {
	i := slices.IndexFunc(k.all, func(one key) bool { return one.id == id })
	if i < 0 {
		return nil
	}
	return &k.all[i]
}

// Encrypt encrypts a text for a row, such as "webhook_endpoint/7". An empty text stays empty.
func (k *Keys) Encrypt(text, row string) string {
	if text == "" {
		return ""
	}
	first := k.all[0]
	return mark + first.id + ":" + base64.RawStdEncoding.EncodeToString(first.aead.Seal(nil, nil, []byte(text), []byte(row)))
}

// Decrypt decrypts a text of a row. It returns an unencrypted text, as left by earlier releases, unchanged. It returns
// ErrUnknownKey, or an error for a text that is damaged or belongs to another row.
func (k *Keys) Decrypt(text, row string) (string, error) {
	id := KeyOf(text)
	if id == "" {
		return text, nil
	}
	by := k.find(id)
	if by == nil {
		return "", fmt.Errorf("%w: %s", ErrUnknownKey, id)
	}
	sealed, err := base64.RawStdEncoding.DecodeString(text[len(mark)+len(id)+1:])
	if err != nil {
		return "", errDamaged
	}
	plain, err := by.aead.Open(nil, nil, sealed, []byte(row))
	if err != nil {
		return "", errDamaged
	}
	return string(plain), nil
}

// KeyOf returns the id of the key that encrypted a text; empty if the text is not encrypted.
func KeyOf(text string) string {
	rest, encrypted := strings.CutPrefix(text, mark)
	if !encrypted {
		return ""
	}
	id, _, found := strings.Cut(rest, ":")
	if !found || id == "" {
		return "damaged"
	}
	return id
}

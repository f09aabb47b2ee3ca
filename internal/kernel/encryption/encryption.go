// Package encryption encrypts the secrets that the shop keeps in its database, with keys that are not in it: AES-256-GCM, the key's id beside
// the text, and the row that a text belongs to as associated data, so that a text moved to another row is refused.
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
	// keysMax bounds the keys of a shop: the one that encrypts, and older ones until nothing is encrypted with them any more.
	keysMax = 8
	// mark begins what Encrypt returns; no secret begins so.
	mark = "aes256gcm:"
)

// ErrUnknownKey says that a text was encrypted with a key that is not among the shop's.
var ErrUnknownKey = errors.New("it was encrypted with a key that this process does not have")

// errDamaged says that a text is not what was encrypted for its row.
var errDamaged = errors.New("it cannot be decrypted: it is damaged, or it was copied from another row")

// Keys are the keys of a shop: the first encrypts, all decrypt. Its String hides them. Safe for concurrent use.
type Keys struct{ all []key }

type key struct {
	id   string
	aead cipher.AEAD
}

// String implements fmt.Stringer and shows no key.
func (k *Keys) String() string { return fmt.Sprintf("%d encryption keys", len(k.all)) }

// GoString implements fmt.GoStringer and shows no key.
func (k *Keys) GoString() string { return k.String() }

// NewText returns the text of a key file with one new key.
func NewText() string {
	raw := make([]byte, keyBytes)
	rand.Read(raw) // never fails
	return "# Encrypts the secrets in the database. The first key encrypts, all decrypt. Keep a copy apart from the database's backups:\n" +
		"# without it those secrets are lost, and with both whoever has them reads them.\n" +
		base64.RawURLEncoding.EncodeToString(raw) + "\n"
}

// Parse reads keys of 32 bytes in unpadded base64url, one a line or separated by commas; lines that begin with # are passed over. The error
// names the line, never its contents.
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

// ID is the id of the key that encrypts. It is no secret.
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

// Decrypt returns what was encrypted for a row. A text that is not encrypted, as earlier releases have left it, is returned as it is. It
// returns ErrUnknownKey, or an error for what is damaged or was encrypted for another row.
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

// KeyOf returns the id of the key that a text was encrypted with; empty where it is not encrypted.
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

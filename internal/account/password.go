package account

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Limits of a password. The minimum is NIST SP 800-63B's. The maximum is far beyond what people type, and keeps callers
// from making the shop normalise and hash a megabyte.
const (
	passwordCharactersMin = 8
	passwordCharactersMax = 128
)

// commonPasswords are the most frequent leaked passwords that pass the length rule.
var commonPasswords = strings.Fields(`
	12345678 123456789 1234567890 0123456789 9876543210 87654321 11223344 1q2w3e4r 1q2w3e4r5t 1qaz2wsx abcd1234 abc12345
	abcdefgh adminadmin admin123 baseball changeme computer dragon123 football football1 freedom1 iloveyou iloveyou1
	jennifer letmein1 liverpool master123 michael1 monkey123 p@ssw0rd passw0rd password password1 password12 password123
	princess princess1 q1w2e3r4 qwer1234 qwerty12 qwerty123 qwertyui qwertyuiop shadow123 starwars sunshine superman
	trustno1 welcome1 welcome123 whatever zaq12wsx zxcvbnm1 zxcvbnm123 asdfghjkl asdf1234 correcthorsebatterystaple`)

// preparePassword returns the bytes to hash. It applies NFKC, so that one password typed on two keyboards is one
// password (NIST SP 800-63B section 5.1.1.2). It returns an Invalid fault of the field password for a text that cannot
// be a password.
func preparePassword(password string) (string, error) {
	if len(password) > passwordCharactersMax*utf8.UTFMax || utf8.RuneCountInString(password) > passwordCharactersMax {
		return "", fault.Bad("password", "A password has at most %d characters.", passwordCharactersMax)
	}
	if !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl) {
		return "", fault.Bad("password", "A password is UTF-8 text without control characters.")
	}
	return norm.NFKC.String(password), nil
}

// checkPassword reports whether a prepared password may be chosen for the (normalised) address. It returns an Invalid
// fault of the field password. It requires no kinds of characters: only length, and not being among the first guesses,
// matter.
func checkPassword(password, email string) error {
	if utf8.RuneCountInString(password) < passwordCharactersMin {
		return fault.Bad("password", "A password has at least %d characters.", passwordCharactersMin)
	}
	lower := strings.ToLower(password)
	local, _, _ := strings.Cut(email, "@")
	for _, common := range append(commonPasswords[:len(commonPasswords):len(commonPasswords)], email, local) {
		if lower == common {
			return fault.Bad("password", "This password is among the first that are guessed: choose another.")
		}
	}
	first, size := utf8.DecodeRuneInString(password)
	if strings.Trim(password[size:], string(first)) == "" {
		return fault.Bad("password", "This password is one character repeated: choose another.")
	}
	return nil
}

// argon is the cost of a password hash.
type argon struct {
	memoryKiB uint32
	passes    uint32
	lanes     uint8
}

const (
	saltBytes = 16 // RFC 9106 section 3.1
	hashBytes = 32
)

// hash returns the argon2id hash of a prepared password in the PHC string format:
// $argon2id$v=19$m=19456,t=2,p=1$salt$hash.
func (a argon) hash(password string) string {
	salt := make([]byte, saltBytes)
	rand.Read(salt) // never fails: crypto/rand ends the process instead
	return a.encode(salt, argon2.IDKey([]byte(password), salt, a.passes, a.memoryKiB, a.lanes, hashBytes))
}

func (a argon) encode(salt, sum []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, a.memoryKiB, a.passes, a.lanes, b64.EncodeToString(salt), b64.EncodeToString(sum))
}

// decoy returns a hash that no password has. Checking a password against it costs as much as a real check, so the
// response time does not reveal whether an address has an account.
func (a argon) decoy() string {
	random := make([]byte, saltBytes+hashBytes)
	rand.Read(random)
	return a.encode(random[:saltBytes], random[saltBytes:])
}

// parsePHC parses a stored hash. It rejects a cost above Config's limits, so that a manipulated row cannot exhaust the
// machine's memory.
func parsePHC(phc string) (a argon, salt, sum []byte, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return a, nil, nil, fmt.Errorf("the stored password hash is not argon2id version %d", argon2.Version)
	}
	if _, err = fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &a.memoryKiB, &a.passes, &a.lanes); err != nil {
		return a, nil, nil, fmt.Errorf("the stored password hash's cost cannot be read: %w", err)
	}
	if err = a.validate(); err != nil {
		return a, nil, nil, fmt.Errorf("the stored password hash's cost: %w", err)
	}
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return a, nil, nil, fmt.Errorf("the stored password hash's salt: %w", err)
	}
	if sum, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil {
		return a, nil, nil, fmt.Errorf("the stored password hash: %w", err)
	}
	if len(sum) != hashBytes || len(salt) < 8 {
		return a, nil, nil, fmt.Errorf("the stored password hash has %d bytes and %d of salt", len(sum), len(salt))
	}
	return a, salt, sum, nil
}

// matches reports whether the prepared password has the hash, and returns the hash's cost.
func matches(password, phc string) (bool, argon, error) {
	cost, salt, want, err := parsePHC(phc)
	if err != nil {
		return false, argon{}, err
	}
	got := argon2.IDKey([]byte(password), salt, cost.passes, cost.memoryKiB, cost.lanes, hashBytes)
	return subtle.ConstantTimeCompare(got, want) == 1, cost, nil
}

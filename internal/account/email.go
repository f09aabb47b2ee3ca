package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/hostname"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

// Limits of an address: RFC 5321 section 4.5.3.1, whose path of 256 octets includes the angle brackets.
const (
	emailBytesMax      = 254
	emailLocalBytesMax = 64
)

// NormaliseEmail returns the form in which an address is stored, compared and written to. The part before the @ is in
// NFKC and lower case, the domain as mail servers have it (ann@käse.example and ann@xn--kse-qla.example are one),
// without surrounding space. RFC 5321 allows a mail server to distinguish case before the @, but none in use does, and
// accounts that differ only in case would confuse people. It returns an Invalid fault of the field email.
func NormaliseEmail(given string) (string, error) {
	if len(given) > 4*emailBytesMax || !utf8.ValidString(given) {
		return "", fault.Bad("email", "An email address is at most %d bytes of UTF-8.", emailBytesMax)
	}
	local, domain, found := strings.Cut(strings.ToLower(norm.NFKC.String(strings.TrimSpace(given))), "@")
	domain, err := hostname.ASCII(domain)
	if !found || err != nil || !validLocal(local) {
		return "", fault.Bad("email", "This is not an email address such as ann@example.com.")
	}
	email := local + "@" + domain
	if err := text.CheckAddress("email", email, emailBytesMax); err != nil {
		return "", err
	}
	return email, nil
}

// validLocal accepts RFC 5322's dot-atom with letters of any script. It rejects quoted local parts.
func validLocal(local string) bool {
	if local == "" || len(local) > emailLocalBytesMax {
		return false
	}
	if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return false
	}
	for _, r := range local {
		switch {
		case unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r):
		case strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r):
		default:
			return false
		}
	}
	return true
}

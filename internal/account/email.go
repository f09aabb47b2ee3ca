package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Limits of an address, from RFC 5321 section 4.5.3.1 and its path of 256 octets with the angle brackets taken off.
const (
	emailBytesMax      = 254
	emailLocalBytesMax = 64
	domainLabelBytes   = 63
)

// NormaliseEmail returns the one form under which an address is kept and looked up: NFKC, without space around it, in
// lower case. RFC 5321 lets a mail server tell cases apart in the part before the @; no server in use does, and two
// accounts that differ only in case would be a trap. It returns an Invalid fault of the field email.
func NormaliseEmail(text string) (string, error) {
	if len(text) > 4*emailBytesMax || !utf8.ValidString(text) {
		return "", fault.Bad("email", "An email address is at most %d bytes of UTF-8.", emailBytesMax)
	}
	email := strings.ToLower(norm.NFKC.String(strings.TrimSpace(text)))
	if len(email) > emailBytesMax {
		return "", fault.Bad("email", "An email address is at most %d bytes of UTF-8.", emailBytesMax)
	}
	local, domain, found := strings.Cut(email, "@")
	if !found || !validLocal(local) || !validDomain(domain) {
		return "", fault.Bad("email", "This is not an email address such as ann@example.com.")
	}
	return email, nil
}

// validLocal takes RFC 5322's dot-atom, letters of any script among its atoms. Quoted local parts are not taken.
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

// validDomain takes host names of at least two labels; an international name comes in its xn-- form.
func validDomain(domain string) bool {
	labels := strings.Split(domain, ".")
	if len(labels) < 2 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > domainLabelBytes || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}

package catalog

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// HandleBytesMax bounds a handle, which is part of an address.
const HandleBytesMax = 128

// latin spells out letters that have no decomposition.
var latin = strings.NewReplacer("ß", "ss", "æ", "ae", "œ", "oe", "ø", "o", "đ", "d", "ð", "d", "þ", "th", "ł", "l", "ı", "i", "&", " and ")

// Slug makes a handle from a title: lower case, without accents, with one hyphen for every run of anything but Latin
// letters and digits. It cuts at HandleBytesMax minus space for a number. It is empty if the title has no Latin letters
// or digits.
func Slug(title string) string {
	var b strings.Builder
	gap := false
	for _, r := range latin.Replace(strings.ToLower(norm.NFKD.String(title))) {
		switch {
		case r >= 0x0300 && r <= 0x036F || r == '\'' || r == '’':
			continue // an accent, or the apostrophe of "children's"
		case (r < 'a' || r > 'z') && (r < '0' || r > '9'):
			gap = b.Len() > 0
			continue
		}
		if b.Len() >= HandleBytesMax-len("-10000") {
			break
		}
		if gap {
			b.WriteByte('-')
			gap = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// checkHandle returns fault.Invalid unless h consists of groups of lower-case letters and digits, joined by single
// hyphens.
func checkHandle(field, h string) error {
	if h == "" {
		return fault.Bad(field, "It is required, because the title has no Latin letters or digits to make it from.")
	}
	if len(h) > HandleBytesMax {
		return fault.Bad(field, "It has %d bytes; at most %d are allowed.", len(h), HandleBytesMax)
	}
	if !IsHandle(h) {
		return fault.Bad(field, "%q is not a handle: a to z and digits, joined by single hyphens.", h)
	}
	return nil
}

// IsHandle reports whether h has the form of a handle: ^[a-z0-9]+(-[a-z0-9]+)*$, at most HandleBytesMax bytes.
func IsHandle(h string) bool {
	hyphen := true
	for i := range len(h) {
		switch c := h[i]; {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			hyphen = false
		case c == '-' && !hyphen:
			hyphen = true
		default:
			return false
		}
	}
	return !hyphen && len(h) <= HandleBytesMax
}

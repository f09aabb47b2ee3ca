// Package hostname converts between the two spellings of a host: käse.example for people, xn--kse-qla.example for
// machines.
package hostname

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// labelBytesMax is the limit of RFC 1035.
const labelBytesMax = 63

// fullStops also separate labels: UTS 46 section 4.
var fullStops = strings.NewReplacer("。", ".", "．", ".", "｡", ".")

// profile is UTS 46 as browsers look hosts up, without the transitional mapping of ß to ss.
var profile = idna.New(
	idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.CheckJoiners(true), idna.CheckHyphens(true),
	idna.StrictDomainName(true), idna.VerifyDNSLength(true),
)

var errName = errors.New("this is not the name of a host such as shop.example")

// ASCII returns a host name in the form of DNS and mail servers: lower case, international labels as xn--, without a
// final dot. It returns an error unless the name has at least two valid labels. It does not decode a name that is ASCII
// already, so an invalid label that begins with xn-- stays as it is.
func ASCII(name string) (string, error) {
	name = strings.TrimSuffix(fullStops.Replace(name), ".")
	if !isASCII(name) {
		mapped, err := profile.ToASCII(name)
		if err != nil {
			return "", errName
		}
		name = mapped
	}
	name = strings.ToLower(name)
	if !valid(name) {
		return "", errName
	}
	return name, nil
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
}

// valid reports whether name is a host name of at least two labels.
func valid(name string) bool {
	labels := strings.Split(name, ".")
	if len(labels) < 2 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > labelBytesMax || label[0] == '-' || label[len(label)-1] == '-' {
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

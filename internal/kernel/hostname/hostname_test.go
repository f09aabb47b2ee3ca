package hostname_test

import (
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/hostname"
)

func TestASCII(t *testing.T) {
	for in, want := range map[string]string{
		"shop.example":                  "shop.example",
		"SHOP.Example.":                 "shop.example",
		"käse.example":                  "xn--kse-qla.example",
		"KÄSE.example.":                 "xn--kse-qla.example",
		"ka\u0308se.example":            "xn--kse-qla.example",
		"ｋäｓｅ。example":                  "xn--kse-qla.example",
		"XN--KSE-QLA.example":           "xn--kse-qla.example",
		"kä\u00adse.example":            "xn--kse-qla.example", // a soft hyphen is dropped
		"straße.example":                "xn--strae-oqa.example",
		"strasse.example":               "strasse.example",
		"例え。テスト":                        "xn--r8jz45g.xn--zckzah",
		"mail.例え.example｡":              "mail.xn--r8jz45g.example",
		"xn--zzzzzz99999.example":       "xn--zzzzzz99999.example", // not decodable: unchanged
		"a--b.example":                  "a--b.example",
		"ex\u200dample.xn--kse-qla.com": "",
		"":                              "", ".": "", "..": "", "example": "", "käse": "", "käse..example": "", "käse.example..": "", ".käse.example": "",
		"-käse.example": "", "kä_se.example": "", "kä se.example": "", "kä\x00se.example": "", "exa\tmple.com": "",
		strings.Repeat("ä", 64) + ".example": "", strings.Repeat("b", 64) + ".example": "",
	} {
		got, err := hostname.ASCII(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("ASCII(%q) = %q, %v; want %q", in, got, err, want)
		}
		if again, err := hostname.ASCII(got); want != "" && (err != nil || again != got) {
			t.Errorf("ASCII is not stable on %q: %q, %v", got, again, err)
		}
	}
}

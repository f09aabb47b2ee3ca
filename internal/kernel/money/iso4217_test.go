package money

import (
	"encoding/csv"
	"os"
	"strconv"
	"strings"
	"testing"
)

// The table is the complete list of ISO 4217: every code with its minor unit, and no other three letters.
func TestCurrenciesAreThoseOfISO4217(t *testing.T) {
	text, err := os.ReadFile("testdata/iso4217.csv")
	if err != nil {
		t.Fatal(err)
	}
	if head, _, _ := strings.Cut(string(text), "\n"); !strings.Contains(head, "published "+ISO4217Published) {
		t.Errorf("the list says %q, the table %s", head, ISO4217Published)
	}
	r := csv.NewReader(strings.NewReader(string(text)))
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, row := range rows[1:] {
		listed[row[0]] = row[2]
	}
	if len(listed) != 178 {
		t.Errorf("the list has %d codes", len(listed))
	}
	for _, code := range threeLetters() {
		got, err := ParseCurrency(code)
		want := listed[code]
		if has := want != "" && want != "N.A."; has != (err == nil) {
			t.Errorf("%s: %v, and the list says %q", code, err, want)
		} else if has && strconv.Itoa(got.Digits()) != want {
			t.Errorf("%s has %d digits, and %s in the list", code, got.Digits(), want)
		}
	}
}

func threeLetters() (all []string) {
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			for c := 'A'; c <= 'Z'; c++ {
				all = append(all, string([]rune{a, b, c}))
			}
		}
	}
	return all
}

// Currencies that were wrong once, each with a price that came out wrong.
func TestAmountsOfCurrenciesThatOthersRound(t *testing.T) {
	for code, want := range map[Currency]string{
		"RSD": "1250.50", "HUF": "1250.50", "TWD": "1250.50", "IQD": "1250.500", "MGA": "1250.50", "AFN": "1250.50", "ISK": "1250", "CLF": "1250.5000",
	} {
		text := "1250.5"
		if code == "ISK" {
			text = "1250"
		}
		if a, err := Parse(text, code); err != nil || a.Decimal() != want {
			t.Errorf("%s: %v, %v, want %s", code, a, err, want)
		}
	}
}

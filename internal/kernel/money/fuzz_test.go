package money

import "testing"

// FuzzParse: a parsed amount is within its limits and is written back as the same amount (P27).
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"0", "12.50", "-1", "1.005", "1,00", "99999999999999999999", "0.1", " 1", "1e3", "٣"} {
		f.Add(seed, "GBP")
	}
	f.Add("1.234", "KWD")
	f.Add("100", "JPY")
	f.Fuzz(func(t *testing.T, text, code string) {
		c, err := ParseCurrency(code)
		if err != nil {
			return
		}
		a, err := Parse(text, c)
		if err != nil {
			return
		}
		if a.Minor < -MinorMax || a.Minor > MinorMax {
			t.Fatalf("%q is read as %d minor units, beyond the bound", text, a.Minor)
		}
		again, err := Parse(a.Decimal(), c)
		if err != nil || again != a {
			t.Errorf("%q is read as %s and written as %q, which is read as %s, %v", text, a, a.Decimal(), again, err)
		}
	})
}

package id

import "testing"

// FuzzParse: an id has one spelling, and is above zero.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"1", "0", "01", "-1", "+1", "9223372036854775807", "9223372036854775808", " 1", "1_0", "१"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := Parse[Order](text)
		if err == nil && (o.String() != text || o <= 0) {
			t.Errorf("%q is read as %s", text, o)
		}
	})
}

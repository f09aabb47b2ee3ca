package money

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text     string
		currency Currency
		minor    int64
		err      error
	}{
		{"12.50", "GBP", 1250, nil},
		{"12.5", "GBP", 1250, nil},
		{"12", "GBP", 1200, nil},
		{"0", "GBP", 0, nil},
		{"0.01", "GBP", 1, nil},
		{"12.500", "GBP", 1250, nil},
		{"1200", "JPY", 1200, nil},
		{"1200.0", "JPY", 1200, nil},
		{"1.234", "KWD", 1234, nil},
		{"12.345", "GBP", 0, ErrMalformed},
		{"1.5", "JPY", 0, ErrMalformed},
		{"-1", "GBP", 0, ErrMalformed},
		{"+1", "GBP", 0, ErrMalformed},
		{"1e3", "GBP", 0, ErrMalformed},
		{"1,000", "GBP", 0, ErrMalformed},
		{"1.", "GBP", 0, ErrMalformed},
		{".5", "GBP", 0, ErrMalformed},
		{"", "GBP", 0, ErrMalformed},
		{"NaN", "GBP", 0, ErrMalformed},
		{"10000000000000", "GBP", MinorMax, nil},
		{"10000000000000.01", "GBP", 0, ErrOverflow},
		{"99999999999999999999999", "GBP", 0, ErrOverflow},
	} {
		got, err := Parse(c.text, c.currency)
		if got.Minor != c.minor || !errors.Is(err, c.err) {
			t.Errorf("%q %s: got %d, %v", c.text, c.currency, got.Minor, err)
		}
	}
}

func TestCurrency(t *testing.T) {
	for code, ok := range map[string]bool{"GBP": true, "JPY": true, "gbp": false, "": false, "POUND": false, "ZZZ": false} {
		if _, err := ParseCurrency(code); (err == nil) != ok {
			t.Errorf("%q: %v", code, err)
		}
	}
}

func TestArithmetic(t *testing.T) {
	if _, err := Of(MinorMax, "GBP").Times(2); !errors.Is(err, ErrOverflow) {
		t.Errorf("twice the largest: %v", err)
	}
	if _, err := Of(1<<62, "GBP").Times(1 << 62); !errors.Is(err, ErrOverflow) {
		t.Errorf("beyond 64 bits: %v", err)
	}
	if _, err := Of(1, "GBP").Times(-1); !errors.Is(err, ErrOverflow) {
		t.Errorf("a negative number of times: %v", err)
	}
	if _, err := Of(1, "GBP").Plus(Of(1, "EUR")); !errors.Is(err, ErrCurrency) {
		t.Errorf("pounds and euros: %v", err)
	}
	if _, err := Of(MinorMax, "GBP").Plus(Of(1, "GBP")); !errors.Is(err, ErrOverflow) {
		t.Errorf("more than the largest: %v", err)
	}
}

func TestDecimalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom([]Currency{"GBP", "JPY", "KWD", "EUR"}).Draw(t, "currency")
		a := Of(rapid.Int64Range(0, MinorMax).Draw(t, "minor"), c)
		back, err := Parse(a.Decimal(), c)
		if err != nil || back != a {
			t.Fatalf("%s became %s, %v", a, back, err)
		}
	})
}

func TestText(t *testing.T) {
	for _, tt := range []struct {
		amount Amount
		want   string
	}{
		{Of(125000, "GBP"), "£1,250.00"}, {Of(765, "GBP"), "£7.65"}, {Of(1250, "JPY"), "¥1,250"}, {Of(5, "CNY"), "¥0.05"}, {Of(1250, "CHF"), "CHF\u00a012.50"},
		{Of(-123456789, "USD"), "−$1,234,567.89"}, {Of(MinorMax, "EUR"), "€10,000,000,000,000.00"},
	} {
		if got := tt.amount.Text(); got != tt.want {
			t.Errorf("%s is written %s, not %s", tt.amount, got, tt.want)
		}
	}
}

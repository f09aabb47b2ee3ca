// Package money holds amounts: whole minor units (pence, cents, yen) of an ISO 4217 currency. It uses no floating
// point.
package money

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Errors of arithmetic and parsing.
var (
	// ErrOverflow says that an amount is larger than MinorMax.
	ErrOverflow = errors.New("the amount is too large")
	// ErrCurrency says that a code is not an ISO 4217 currency, or that two amounts have different currencies.
	ErrCurrency = errors.New("the currency does not fit")
	// ErrMalformed says that a text is not an amount.
	ErrMalformed = errors.New("an amount is digits with at most one decimal point, such as 12.50")
)

// MinorMax is the largest amount in minor units, 10^15. A sum of a thousand such amounts fits 63 bits, and JavaScript's
// numbers are exact for it.
const MinorMax = 1_000_000_000_000_000

// Currency is an ISO 4217 code in upper case, such as "GBP".
type Currency string

// ParseCurrency checks a code. It returns ErrCurrency, also for codes of ISO 4217 that have no minor unit, such as XAU.
func ParseCurrency(code string) (Currency, error) {
	if _, ok := minorUnits(Currency(code)); !ok {
		return "", fmt.Errorf("%w: %q is not the code of a current currency in ISO 4217, such as GBP", ErrCurrency, code)
	}
	return Currency(code), nil
}

// Digits returns the number of decimal digits of the currency's minor unit: 2 for GBP, 0 for JPY, 3 for KWD. It returns
// 2 for a code that is not a current currency.
func (c Currency) Digits() int {
	if digits, ok := minorUnits(c); ok {
		return digits
	}
	return 2
}

// Amount is a sum of money. The zero value is no money, without a currency.
type Amount struct {
	Minor    int64    `json:"minor"`
	Currency Currency `json:"currency"`
}

// Of returns an amount of minor units.
func Of(minor int64, c Currency) Amount { return Amount{Minor: minor, Currency: c} }

// Times returns n times the amount, n >= 0. It returns ErrOverflow.
func (a Amount) Times(n int64) (Amount, error) {
	if a.Minor < 0 || n < 0 {
		return Amount{}, ErrOverflow
	}
	hi, lo := bits.Mul64(uint64(a.Minor), uint64(n))
	if hi != 0 || lo > MinorMax {
		return Amount{}, ErrOverflow
	}
	return Amount{Minor: int64(lo), Currency: a.Currency}, nil
}

// Plus returns the sum of two amounts of one currency. It returns ErrCurrency or ErrOverflow.
func (a Amount) Plus(b Amount) (Amount, error) {
	if a.Currency != b.Currency {
		return Amount{}, fmt.Errorf("%w: %s and %s", ErrCurrency, a.Currency, b.Currency)
	}
	if a.Minor > MinorMax || b.Minor > MinorMax || a.Minor < 0 || b.Minor < 0 || a.Minor+b.Minor > MinorMax {
		return Amount{}, ErrOverflow
	}
	return Amount{Minor: a.Minor + b.Minor, Currency: a.Currency}, nil
}

// Parse parses a decimal such as "12.5" as an amount of c. It returns ErrMalformed for signs, digit groups, exponents
// and more decimals than the currency has (unless they are zeros), and ErrOverflow.
func Parse(text string, c Currency) (Amount, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	digits := c.Digits()
	fraction = strings.TrimRight(fraction, "0")
	if whole == "" || len(fraction) > digits || !allDigits(whole) || !allDigits(fraction) || strings.HasSuffix(text, ".") {
		return Amount{}, fmt.Errorf("%w: %q", ErrMalformed, text)
	}
	minor, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", digits-len(fraction)), 10, 64)
	if err != nil || minor > MinorMax {
		return Amount{}, fmt.Errorf("%w: %q", ErrOverflow, text)
	}
	return Amount{Minor: minor, Currency: c}, nil
}

// Decimal returns the amount without its currency, such as "12.50".
func (a Amount) Decimal() string {
	digits := a.Currency.Digits()
	minor := a.Minor
	sign := ""
	if minor < 0 {
		sign, minor = "-", -minor
	}
	s := strconv.FormatInt(minor, 10)
	if digits == 0 {
		return sign + s
	}
	if len(s) <= digits {
		s = strings.Repeat("0", digits-len(s)+1) + s
	}
	return sign + s[:len(s)-digits] + "." + s[len(s)-digits:]
}

// symbols are currency signs that readers of the pages' languages understand without the code.
var symbols = map[Currency]string{"GBP": "£", "USD": "$", "EUR": "€", "JPY": "¥", "CNY": "¥", "KRW": "₩", "INR": "₹"}

// Text returns the amount as shoppers read it, such as "£1,250.00".
func (a Amount) Text() string {
	whole, fraction, found := strings.Cut(a.Decimal(), ".")
	sign := ""
	if rest, negative := strings.CutPrefix(whole, "-"); negative {
		sign, whole = "−", rest
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if found {
		whole += "." + fraction
	}
	if symbol, ok := symbols[a.Currency]; ok {
		return sign + symbol + whole
	}
	return sign + string(a.Currency) + "\u00a0" + whole
}

// String returns the amount for logs and commands, such as "12.50 GBP".
func (a Amount) String() string { return a.Decimal() + " " + string(a.Currency) }

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

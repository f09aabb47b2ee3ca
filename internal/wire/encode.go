package wire

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Media types of answers.
const (
	TypeJSON    = "application/json"
	TypeProblem = "application/problem+json"
	TypeLines   = "application/x-ndjson"
	TypeCSV     = "text/csv; charset=utf-8"
)

// Append appends the JSON of v. It returns an error for what has no JSON, such as a text that is not UTF-8.
func Append(b []byte, v any) ([]byte, error) {
	out, err := json.Marshal(v, json.Deterministic(true))
	return append(b, out...), err
}

// AppendText appends s as a JSON text. Bytes that are not UTF-8 become U+FFFD.
func AppendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			// AppendQuote writes all of it, and reports what it had to replace: of no use to anyone here.
			b, _ = jsontext.AppendQuote(b, s)
			return b
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendMoney appends {"minor":1250,"currency":"GBP"}.
func appendMoney(b []byte, minor int64, c money.Currency) []byte {
	b = append(b, `{"minor":`...)
	b = appendInt(b, minor)
	b = append(b, `,"currency":`...)
	b = AppendText(b, string(c))
	return append(b, '}')
}

// appendTime appends t in UTC with milliseconds. It is AppendFormat of that layout, at a fraction of its cost: the page
// of a sale has three of them.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, `"2006-01-02T15:04:05.000Z"`)
	}
	b = append(b, '"')
	b = digits4(b, year)
	b = append(b, '-')
	b = digits2(b, int(month))
	b = append(b, '-')
	b = digits2(b, day)
	b = append(b, 'T')
	b = digits2(b, hour)
	b = append(b, ':')
	b = digits2(b, minute)
	b = append(b, ':')
	b = digits2(b, second)
	milli := t.Nanosecond() / int(time.Millisecond)
	return append(b, '.', byte('0'+milli/100), byte('0'+milli/10%10), byte('0'+milli%10), 'Z', '"')
}

func digits2(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

func digits4(b []byte, n int) []byte { return digits2(digits2(b, n/100), n%100) }

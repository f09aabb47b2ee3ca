package wire

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Media types of answers.
const (
	TypeJSON    = "application/json"
	TypeProblem = "application/problem+json"
	TypeLines   = "application/x-ndjson"
	TypeEvents  = "text/event-stream"
	TypeCSV     = "text/csv; charset=utf-8"
)

// Append appends the JSON of v. It returns an error if v has no JSON form, such as a text that is not UTF-8.
func Append(b []byte, v any) ([]byte, error) {
	out, err := json.Marshal(v, json.Deterministic(true))
	return append(b, out...), err
}

// AppendText appends s as a JSON text. Bytes that are not UTF-8 become U+FFFD.
func AppendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			// AppendQuote writes the whole text. Its error only reports that it replaced invalid UTF-8.
			b, _ = jsontext.AppendQuote(b, s)
			return b
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

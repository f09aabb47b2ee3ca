package api

import (
	"fmt"
	"time"
)

// TimeFormat is how a time is written: RFC 3339, UTC, milliseconds.
const TimeFormat = "2006-01-02T15:04:05.000Z07:00"

// Timestamp is a time on the wire. The zero value is no time, and is left out of answers.
type Timestamp struct{ time.Time }

// At returns t as it goes over the wire: in UTC.
func At(t time.Time) Timestamp {
	if t.IsZero() {
		return Timestamp{}
	}
	return Timestamp{t.UTC()}
}

// MarshalJSON implements json.Marshaler.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, len(TimeFormat)+2), '"')
	return append(t.UTC().AppendFormat(b, TimeFormat), '"'), nil
}

// UnmarshalJSON implements json.Unmarshaler: any RFC 3339 time, whatever its offset, kept to the millisecond.
func (t *Timestamp) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' {
		return fmt.Errorf("a time is a text such as %q", "2026-11-27T20:00:00.000Z")
	}
	parsed, err := time.Parse(time.RFC3339, string(b[1:len(b)-1]))
	if err != nil {
		return fmt.Errorf("a time is written as %q", "2026-11-27T20:00:00.000Z")
	}
	*t = Timestamp{parsed.UTC().Truncate(time.Millisecond)}
	return nil
}

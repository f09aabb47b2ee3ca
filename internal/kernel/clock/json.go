package clock

import "time"

// AppendJSON appends t as the shop writes it: RFC 3339 in UTC with milliseconds, including quotes. It equals
// AppendFormat with that layout but is much faster: the page of a sale has three of them.
func AppendJSON(b []byte, t time.Time) []byte {
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

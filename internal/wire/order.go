package wire

import (
	"strconv"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// orderLine is a line of an order's request.
type orderLine = struct {
	SKU   id.SKU
	Units int64
}

// DecodeOrder appends the lines of {"lines":[{"sku_id":"1","quantity":1}]} to dst. It accepts and rejects the same
// bodies as Decode, but uses no reflection and allocates only to grow dst. An absent value is zero; package order
// validates values.
//
// It returns fault.BadRequest, or fault.Invalid for a malformed id; both name the field.
func DecodeOrder[L ~struct {
	SKU   id.SKU
	Units int64
}](dst []L, body []byte) ([]L, error) {
	s := scanner{b: body}
	seen := false
	for more, err := s.open('{', ""); ; more, err = s.comma('}') {
		if err != nil {
			return dst, err
		}
		if !more {
			return dst, s.end()
		}
		name, err := s.name()
		switch {
		case err != nil:
			return dst, err
		case string(name) != "lines":
			return dst, unknownField(string(name))
		case seen:
			return dst, badField("lines", repeated)
		}
		seen = true
		if dst, err = decodeLines(&s, dst); err != nil {
			return dst, err
		}
	}
}

func decodeLines[L ~struct {
	SKU   id.SKU
	Units int64
}](s *scanner, dst []L) ([]L, error) {
	more, err := s.open('[', "lines")
	for i := 0; ; i++ {
		if err != nil || !more {
			return dst, err
		}
		l, err := s.line(i)
		if err != nil {
			return dst, err
		}
		dst = append(dst, L(l))
		if more, err = s.comma(']'); err != nil {
			return dst, err
		}
	}
}

// line reads line i of an order.
func (s *scanner) line(i int) (l orderLine, err error) {
	if s.peek() != '{' {
		return l, s.wrong(linePath(i, ""))
	}
	var sku, units bool
	for more, err := s.open('{', ""); ; more, err = s.comma('}') {
		if err != nil || !more {
			return l, err
		}
		name, err := s.name()
		if err != nil {
			return l, err
		}
		switch string(name) {
		case "sku_id":
			if sku {
				return l, badField(linePath(i, "sku_id"), repeated)
			}
			sku = true
			l.SKU, err = s.sku(i)
		case "quantity":
			if units {
				return l, badField(linePath(i, "quantity"), repeated)
			}
			units = true
			l.Units, err = s.units(i)
		default:
			err = unknownField(linePath(i, string(name)))
		}
		if err != nil {
			return l, err
		}
	}
}

func (s *scanner) sku(i int) (id.SKU, error) {
	if s.peek() != '"' {
		return 0, s.wrong(linePath(i, "sku_id"))
	}
	text, err := s.text()
	if err != nil {
		return 0, err
	}
	sku, ok := parseID(text)
	if !ok {
		return 0, badID(linePath(i, "sku_id"))
	}
	return id.SKU(sku), nil
}

// parseID is id.Parse for bytes: 1 to 19 digits, the first not 0, within 63 bits.
func parseID(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 19 || b[0] == '0' {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return int64(n), int64(n) > 0
}

func (s *scanner) units(i int) (int64, error) {
	c := s.peek()
	if c != '-' && (c < '0' || c > '9') {
		return 0, s.wrong(linePath(i, "quantity"))
	}
	start := s.i
	for s.i < len(s.b) && isNumber[s.b[s.i]] {
		s.i++
	}
	n, ok := parseWhole(s.b[start:s.i])
	if !ok {
		return 0, badField(linePath(i, "quantity"), notWhole)
	}
	return n, nil
}

// parseWhole reads a JSON number that is written as a whole number, without fraction or exponent.
func parseWhole(b []byte) (int64, bool) {
	digits := b
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	// 18 digits always fit. ParseInt decides about longer numbers, as in Decode.
	if len(digits) == 0 || len(digits) > 1 && digits[0] == '0' {
		return 0, false
	}
	if len(digits) > 18 {
		n, err := strconv.ParseInt(string(b), 10, 64)
		return n, err == nil
	}
	var n int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) != len(b) {
		n = -n
	}
	return n, true
}

const (
	repeated = "It is there twice."
	notWhole = "It must be a whole number of at most 63 bits."
)

func unknownField(path string) error { return badField(shorten(path), "There is no such field here.") }

func linePath(i int, name string) string {
	path := "lines[" + strconv.Itoa(i) + "]"
	if name == "" {
		return path
	}
	return path + "." + name
}

// MalformedID returns the fault of a path or query parameter that is not an id.
func MalformedID(name string) *fault.Error { return badID(name) }

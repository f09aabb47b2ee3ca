package wire

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// scanner reads JSON from the front, for the one body that comes forty thousand times a second.
type scanner struct {
	b []byte
	i int
}

// isNumber holds the bytes that a JSON number can be written with.
var isNumber = [256]bool{
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
	'-': true, '+': true, '.': true, 'e': true, 'E': true,
}

// peek passes over white space and returns the next byte: 0 at the end, which is no byte of JSON either.
func (s *scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// open reads the opening of an object or list, and reports whether something is in it.
func (s *scanner) open(bracket byte, field string) (more bool, err error) {
	if s.peek() != bracket {
		return false, s.wrong(field)
	}
	s.i++
	if s.peek() == bracket+2 { // in ASCII, } is { + 2 and ] is [ + 2
		s.i++
		return false, nil
	}
	return true, nil
}

// comma reads what follows an item, and reports whether there is another.
func (s *scanner) comma(closing byte) (more bool, err error) {
	switch s.peek() {
	case ',':
		s.i++
		return true, nil
	case closing:
		s.i++
		return false, nil
	}
	return false, s.syntax()
}

// name reads the name of a member and its colon.
func (s *scanner) name() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.syntax()
	}
	name, err := s.text()
	if err != nil {
		return nil, err
	}
	if s.peek() != ':' {
		return nil, s.syntax()
	}
	s.i++
	return name, nil
}

// text reads a text. The bytes are part of the body, except where they were written with escapes.
func (s *scanner) text() ([]byte, error) {
	start := s.i
	plain := true
	for i := start + 1; i < len(s.b); i++ {
		switch c := s.b[i]; {
		case c == '"':
			s.i = i + 1
			if plain {
				return s.b[start+1 : i], nil
			}
			unquoted, err := jsontext.AppendUnquote(nil, s.b[start:s.i])
			if err != nil {
				s.i = start
				return nil, s.syntax()
			}
			return unquoted, nil
		case c == '\\':
			plain = false
			i++
		case c < 0x20:
			s.i = i
			return nil, s.syntax()
		case c >= 0x80:
			plain = false // AppendUnquote checks that it is UTF-8
		}
	}
	s.i = len(s.b)
	return nil, s.syntax()
}

// end checks that nothing follows.
func (s *scanner) end() error {
	if s.peek(); s.i < len(s.b) {
		return s.syntax()
	}
	return nil
}

func (s *scanner) syntax() error {
	return fault.New(fault.BadRequest, "The body is not one JSON value: it goes wrong at byte %d.", s.i)
}

// wrong is the fault of a value of another type than the field's.
func (s *scanner) wrong(field string) error {
	c := s.peek()
	switch {
	case s.i == len(s.b) && len(s.b) == s.leading():
		return errEmpty()
	case c == 'n' && field != "":
		return badField(field, isNull)
	case c == '-' || c >= '0' && c <= '9':
		c = '0'
	}
	if kindName(jsontext.Kind(c)) == "" {
		return s.syntax()
	}
	return badField(field, wrongType(jsontext.Kind(c)))
}

// leading returns how many bytes of white space the body begins with.
func (s *scanner) leading() int {
	t := scanner{b: s.b}
	t.peek()
	return t.i
}

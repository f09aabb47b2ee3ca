// Package wire decodes and encodes the bodies of HTTP requests and answers, without HTTP: strict decoding, encoding,
// and problems. It imports no HTTP library, so all listeners answer with the same bytes.
package wire

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Limits of bodies.
const (
	// OrderBytesMax bounds the body of an order: 50 lines, with space for white space.
	OrderBytesMax = 16 << 10
	// BodyBytesMax bounds every other JSON body, such as a product with all its variants or a sale with all its items.
	BodyBytesMax = 1 << 20
	// fieldBytesMax bounds the path of a field in an answer. The client chooses some of the names in a path.
	fieldBytesMax = 200
)

// CheckJSONType checks a Content-Type header for a JSON body. It returns fault.UnsupportedMedia.
func CheckJSONType(contentType string) error {
	if contentType == "application/json" {
		return nil
	}
	return CheckType(contentType, "application/json")
}

// CheckType checks that a Content-Type header is want, in UTF-8. It returns fault.UnsupportedMedia.
func CheckType(contentType, want string) error {
	got, parameters, err := mime.ParseMediaType(contentType)
	charset, has := parameters["charset"]
	if err == nil && got == want && (!has || strings.EqualFold(charset, "utf-8")) {
		return nil
	}
	e := fault.New(fault.UnsupportedMedia, "Send the body as Content-Type: %s, in UTF-8.", want)
	e.Field = "Content-Type"
	return e
}

// TooLarge is the fault of a body over its limit.
func TooLarge(limitBytes int64) error {
	return fault.New(fault.BodyTooLarge, "The body may have at most %d bytes.", limitBytes)
}

// Decode reads one JSON value into v. After an error v is partly filled. It returns fault.BadRequest for invalid JSON,
// unknown or repeated fields, wrong types, null, and anything after the value. It returns fault.Invalid for a text that
// the field's type rejects, such as a malformed id. Both name the field.
func Decode(body []byte, v any) error {
	if len(bytes.TrimLeft(body, " \t\r\n")) == 0 {
		return errEmpty()
	}
	if err := refuseNull(body); err != nil {
		return err
	}
	if err := json.Unmarshal(body, v, json.RejectUnknownMembers(true)); err != nil {
		return decodeFault(err)
	}
	return nil
}

// refuseNull rejects null, which json.Unmarshal accepts for every type. It also finds invalid JSON and repeated names.
func refuseNull(body []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return decodeFault(err)
		}
		if token.Kind() == 'n' {
			return badField(fieldPath(d.StackPointer()), isNull)
		}
		if d.StackDepth() == 0 {
			// Unmarshal checks what follows the value.
			return nil
		}
	}
}

func decodeFault(err error) error {
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(s.Err, jsontext.ErrDuplicateName) {
			return badField(fieldPath(s.JSONPointer), repeated)
		}
		return fault.New(fault.BadRequest, "The body is not one JSON value: it goes wrong at byte %d.", s.ByteOffset)
	}
	s, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return fault.New(fault.BadRequest, "The body is not JSON, or it ends too early.")
	}
	field := fieldPath(s.JSONPointer)
	switch {
	case errors.Is(s.Err, json.ErrUnknownName):
		return unknownField(field)
	case errors.Is(s.Err, id.ErrMalformed):
		return badID(field)
	case s.JSONKind == '0' && (errors.Is(s.Err, strconv.ErrRange) || errors.Is(s.Err, strconv.ErrSyntax)):
		return badField(field, notWhole)
	case s.Err != nil && s.JSONKind == '"':
		return fault.Bad(field, "%s", sentence(s.Err))
	}
	return badField(field, wrongType(s.JSONKind))
}

const isNull = "It may not be null; leave it out instead."

func errEmpty() error { return fault.New(fault.BadRequest, "The body is empty; send a JSON object.") }

func wrongType(k jsontext.Kind) string {
	if kindName(k) == "" {
		return "It has the wrong type."
	}
	return "It has the wrong type: " + kindName(k) + " does not fit here."
}

func badField(field, detail string) error {
	e := fault.New(fault.BadRequest, "%s", detail)
	e.Field = field
	return e
}

func badID(field string) *fault.Error {
	return fault.Bad(field, "It must be an id: a text of decimal digits, such as \"7240126464000001\".")
}

// sentence returns an error's text as a sentence.
func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '"':
		return "a text"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return ""
}

// fieldPath turns a JSON pointer into the path of a field: /lines/0/quantity is lines[0].quantity.
func fieldPath(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		if _, err := strconv.ParseUint(token, 10, 31); err == nil {
			b.WriteString("[" + token + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(token)
	}
	return shorten(b.String())
}

func shorten(field string) string {
	if len(field) <= fieldBytesMax {
		return field
	}
	return strings.ToValidUTF8(field[:fieldBytesMax], "") + "..."
}

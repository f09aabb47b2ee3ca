package text

import (
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible returns s on one line of a terminal or a log: what a terminal would obey or a reader would not see is written as
// \u001b, and what is not UTF-8 as \xff. A text without any is returned as it is.
func Visible(s string) string {
	at := strings.IndexFunc(s, isControl)
	if at < 0 && utf8.ValidString(s) {
		return s
	}
	return string(appendVisible(make([]byte, 0, len(s)+16), s, isControl))
}

// isControl reports what a terminal does something about other than to show it.
func isControl(r rune) bool {
	return unicode.IsControl(r) || forbidden(r) != "" || r >= 0xE0000 && r <= 0xE007F
}

func appendVisible(b []byte, s string, hide func(rune) bool) []byte {
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, `\x`...)
			b = append(b, hex[s[0]>>4], hex[s[0]&15])
		case hide(r):
			b = appendEscape(b, r)
		default:
			b = append(b, s[:size]...)
		}
		s = s[size:]
	}
	return b
}

const hex = "0123456789abcdef"

// appendEscape writes a character as JSON and Go both read it.
func appendEscape(b []byte, r rune) []byte {
	if r == '\n' || r == '\t' || r == '\r' {
		quoted := strconv.QuoteRuneToASCII(r)
		return append(b, quoted[1:len(quoted)-1]...)
	}
	if r > 0xFFFF { // as JSON writes it: a pair of surrogates
		r -= 0x10000
		return appendEscape(appendEscape(b, 0xD800+r>>10), 0xDC00+r&0x3FF)
	}
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// Terminal is a writer before a terminal or a log: lines and tabs pass, everything else that a terminal would obey is
// written as Visible writes it. JSON stays JSON. It is safe for concurrent use where w is.
func Terminal(w io.Writer) io.Writer { return terminal{w} }

type terminal struct{ w io.Writer }

// Write implements io.Writer. A character is whole in one call, as fmt, slog and encoders write.
func (t terminal) Write(p []byte) (int, error) {
	if harmless(p) {
		return t.w.Write(p)
	}
	shown := appendVisible(make([]byte, 0, len(p)+64), string(p), func(r rune) bool { return r != '\n' && r != '\t' && isControl(r) })
	if _, err := t.w.Write(shown); err != nil {
		return 0, err
	}
	return len(p), nil
}

// harmless reports printable ASCII in lines, what nearly all output is.
func harmless(p []byte) bool {
	for _, c := range p {
		if c >= 0x7F || c < ' ' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

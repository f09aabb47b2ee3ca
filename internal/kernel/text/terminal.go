package text

import (
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible returns s on one line for a terminal or a log. It writes control and invisible characters as \u001b, and
// bytes that are not UTF-8 as \xff. A text without any is returned unchanged.
func Visible(s string) string {
	at := strings.IndexFunc(s, isControl)
	if at < 0 && utf8.ValidString(s) {
		return s
	}
	return string(appendVisible(make([]byte, 0, len(s)+16), s, isControl))
}

// isControl reports whether a terminal would obey r, or not show it.
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

// appendEscape writes a character in a form that both JSON and Go read.
func appendEscape(b []byte, r rune) []byte {
	if r == '\n' || r == '\t' || r == '\r' {
		quoted := strconv.QuoteRuneToASCII(r)
		return append(b, quoted[1:len(quoted)-1]...)
	}
	if r > 0xFFFF { // JSON writes a pair of surrogates
		r -= 0x10000
		return appendEscape(appendEscape(b, 0xD800+r>>10), 0xDC00+r&0x3FF)
	}
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// Terminal returns a writer for a terminal or a log. It passes lines and tabs, and escapes other control characters as
// Visible does. JSON stays valid JSON. It is safe for concurrent use if w is.
func Terminal(w io.Writer) io.Writer { return terminal{w} }

type terminal struct{ w io.Writer }

// Write implements io.Writer. Each call must end at a character boundary, as with fmt, slog and encoders.
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

// harmless reports whether p is printable ASCII in lines, as nearly all output is.
func harmless(p []byte) bool {
	for _, c := range p {
		if c >= 0x7F || c < ' ' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

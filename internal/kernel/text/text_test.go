package text

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// refused are texts that no kind accepts.
var refused = map[string]string{
	"NUL":                     "a\x00b",
	"ESC":                     "a\x1b[2Jb",
	"BEL":                     "a\ab",
	"backspace":               "a\bb",
	"vertical tab":            "a\vb",
	"form feed":               "a\fb",
	"DEL":                     "a\x7fb",
	"CSI of C1":               "a\u009b2Jb",
	"an override":             "a\u202eb",
	"an embedding":            "a\u202ab",
	"an isolate":              "a\u2066b",
	"the end of an isolate":   "a\u2069b",
	"digit shapes":            "a\u206eb",
	"a byte order mark":       "a\ufeffb",
	"interlinear":             "a\ufff9b",
	"no character":            "a\uffffb",
	"no character of plane 1": "a\U0001fffeb",
	"no character inside":     "a\ufdd0b",
	"tags":                    "a\U000e0041\U000e0042b",
	"a language tag":          "a\U000e0001b",
	"a surrogate":             "a\xed\xa0\x80b",
	"an overlong form":        "a\xc0\x80b",
	"half a character":        "a\xe6\xb5",
	"Latin-1":                 "caf\xe9",
	"a tower of marks":        "z" + strings.Repeat("\u0335", 40),
}

// refusedNames are texts that Line accepts and Name does not.
var refusedNames = map[string]string{
	"zero width space":       "a\u200bb",
	"word joiner":            "a\u2060b",
	"soft hyphen":            "a\u00adb",
	"joiner between Latin":   "a\u200db",
	"non-joiner at the end":  "\u0645\u06cc\u200c",
	"left-to-right mark":     "a\u200eb",
	"grapheme joiner":        "a\u034fb",
	"hangul filler":          "a\u3164b",
	"braille blank":          "a\u2800b",
	"mongolian vowel marker": "a\u180eb",
	"a variant of a letter":  "a\ufe00b",
	"a picture of a letter":  "Night drop\ufe0f",
	"a supplement's variant": "a\U000e0100b",
	"a selector at the head": "\ufe0fa",
	"two selectors":          "\u2764\ufe0f\ufe0f",
}

// taken are texts that every kind accepts, with their stored form.
var taken = []struct{ name, in, want string }{
	{"plain", "Night drop", "Night drop"},
	{"space around", "  Night drop\u00a0\n", "Night drop"},
	{"NFC", "Cafe\u0301", "Caf\u00e9"},
	{"Chinese", "\u6d6a\u6f6e\u4e4b\u591c", "\u6d6a\u6f6e\u4e4b\u591c"},
	{"Persian with a non-joiner", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"},
	{"Hindi with a joiner", "\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"},
	{"Hebrew with points", "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd", "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd"},
	{"a family", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"},
	{"a heart", "\u2764\ufe0f", "\u2764\ufe0f"},
	{"a key", "1\ufe0f\u20e3", "1\ufe0f\u20e3"},
	{"a variant of an ideograph", "\u8fbb\U000e0100", "\u8fbb\U000e0100"},
	{"Scotland", "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"},
	{"markup is text", "<b> & \"q\" 'a'", "<b> & \"q\" 'a'"},
}

func TestClean(t *testing.T) {
	t.Parallel()
	bad := func(name, in string, k Kind, least, most int) {
		t.Helper()
		if got, err := Clean("title", in, k, least, most); fault.CodeOf(err) != fault.Invalid || fault.As(err).Field != "title" {
			t.Errorf("%s: kind %d took %q as %q: %v", name, k, in, got, err)
		}
	}
	good := func(name, in, want string, k Kind, most int) {
		t.Helper()
		if got, err := Clean("title", in, k, 0, most); err != nil || got != want {
			t.Errorf("%s: kind %d made %q of %q (%v), want %q", name, k, got, in, err, want)
		}
	}
	for _, k := range []Kind{Name, Line, Block} {
		for name, in := range refused {
			bad(name, in, k, 0, 100)
		}
		for _, c := range taken {
			good(c.name, c.in, c.want, k, 100)
		}
		for name, in := range map[string]string{"empty": "", "spaces": " \u00a0\u2003\n ", "zero width": "\u200b\u200b", "filler": "\u3164", "a mark alone": "\u0301"} {
			bad(name, in, k, 1, 100)
		}
		good("empty where it may be", "", "", k, 100)
		good("most characters", strings.Repeat("\u6d6a", 100), strings.Repeat("\u6d6a", 100), k, 100)
		good("most characters in pieces", strings.Repeat("e\u0301", 100), strings.Repeat("\u00e9", 100), k, 100)
		bad("one too many", strings.Repeat("a", 101), k, 0, 100)
		bad("a megabyte of space", strings.Repeat(" ", 1<<20), k, 0, 100)
	}
	for name, in := range refusedNames {
		bad(name, in, Name, 0, 100)
		good(name, in, in, Line, 100)
	}
	for _, in := range []string{"a\nb", "a\r\nb", "a\rb", "a\u2028b", "a\u2029b", "a\u0085b"} {
		bad("a line break", in, Name, 0, 100)
		bad("a line break", in, Line, 0, 100)
		good("a line break", in, "a\nb", Block, 100)
	}
	for _, in := range []string{"a\u00a0b", "a\u2009b", "a\u1680b"} {
		good("another space", in, "a b", Name, 100)
		good("another space", in, in, Line, 100)
	}
	good("two spaces", "a  \u00a0 b", "a b", Name, 100)
	good("two spaces", "a  b", "a  b", Line, 100)
	bad("a tab", "a\tb", Line, 0, 100)
	good("a tab", "a\tb", "a\tb", Block, 100)
}

func TestCheckAddress(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"https://example.com/a%20b?c=d", "https://example.com/caf\u00e9", "https://example.com/cafe\u0301", "https://example.com/\u6d6a"} {
		if err := CheckAddress("url", in, 100); err != nil {
			t.Errorf("%q is refused: %v", in, err)
		}
	}
	bad := []string{"https://example.com/a b", "https://example.com/a\nb", "https://example.com/a\u00a0b", "https://example.com/a\u3000b", strings.Repeat("a", 101)}
	for _, all := range []map[string]string{refused, refusedNames} {
		for name, in := range all {
			if name != "a tower of marks" && name != "non-joiner at the end" {
				bad = append(bad, "https://example.com/"+in)
			}
		}
	}
	for _, in := range bad {
		if err := CheckAddress("url", in, 100); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q is taken", in)
		}
	}
}

// TestVisible: a terminal shows any text on one line.
func TestVisible(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Night drop":        "Night drop",
		"\u6d6a \U0001f468": "\u6d6a \U0001f468",
		"a\x1b[2J":          `a\u001b[2J`,
		"a\u009bm":          `a\u009bm`,
		"a\nb\tc\rd":        `a\nb\tc\rd`,
		"a\u202eb":          `a\u202eb`,
		"a\xffb":            `a\xffb`,
		"a\U000e0041":       `a\udb40\udc41`,
	} {
		if got := Visible(in); got != want {
			t.Errorf("%q is shown as %s, want %s", in, got, want)
		}
	}
}

// FuzzTerminal: no control character passes, and JSON keeps its meaning.
func FuzzTerminal(f *testing.F) {
	for _, s := range refused {
		f.Add(s)
	}
	for _, c := range taken {
		f.Add(c.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var out bytes.Buffer
		if n, err := Terminal(&out).Write([]byte(s)); n != len(s) || err != nil {
			t.Fatalf("%d of %d, %v", n, len(s), err)
		}
		if !utf8.Valid(out.Bytes()) || bytes.ContainsFunc(out.Bytes(), func(r rune) bool { return r != '\n' && r != '\t' && isControl(r) }) {
			t.Fatalf("%q passes of %q", out.String(), s)
		}
		if !utf8.ValidString(s) {
			return
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		out.Reset()
		_, _ = Terminal(&out).Write(text)
		var back string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back != s {
			t.Fatalf("%s is read as %q, want %q: %v", out.String(), back, s, err)
		}
	})
}

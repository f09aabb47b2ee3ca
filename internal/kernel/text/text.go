// Package text holds the one rule for all texts that people enter, and the one way to show a text of any origin on a
// terminal. Texts are stored in NFC, without surrounding space, and without invisible characters that programs obey.
package text

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Kind is the purpose of a text, which decides what it may contain.
type Kind uint8

// The kinds of texts. Each accepts what the previous one accepts.
const (
	// Name is one line that identifies a thing, such as a category's title or a key's name: it contains nothing
	// invisible.
	Name Kind = iota
	// Line is one line, such as a product's title or a reason.
	Line
	// Block may have line breaks and tabs, such as a product's description.
	Block
)

// marksMax bounds the marks on one letter. No script stacks more than a few, and a tower of them covers other lines.
const marksMax = 8

// Clean returns s as it is stored: in NFC, without surrounding space, and in a Block with every line break as \n. It
// returns fault.Invalid with the field if the length is not least to most characters, a required text shows nothing, or
// s is not UTF-8 or contains a character that the kind forbids.
func Clean(field, s string, k Kind, least, most int) (string, error) {
	if len(s) > bytesMax(most) {
		return "", fault.Bad(field, "It has %d bytes; at most %d characters are allowed.", len(s), most)
	}
	if !utf8.ValidString(s) {
		return "", fault.Bad(field, "The text is not UTF-8.")
	}
	if k == Block {
		s = breaks.Replace(s)
	}
	s = strings.TrimSpace(norm.NFC.String(s))
	if k == Name {
		s = spaces.ReplaceAllString(strings.Map(oneSpace, s), " ")
	}
	switch n := utf8.RuneCountInString(s); {
	case n == 0 && least > 0:
		return "", fault.Bad(field, "It is required.")
	case n < least || n > most:
		return "", fault.Bad(field, "It has %d characters; %d to %d are allowed.", n, least, most)
	}
	if err := check(field, s, k); err != nil {
		return "", err
	}
	if least > 0 && blank(s) {
		return "", fault.Bad(field, "It shows nothing: it needs a character that can be seen.")
	}
	return s, nil
}

// bytesMax is the maximum length of a text that can have most characters after trimming and composing, which joins
// decomposed marks.
func bytesMax(most int) int { return 4*utf8.UTFMax*most + 1024 }

// breaks are the line breaks of other systems: Windows, an old Mac, and Unicode's own.
var breaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\u0085", "\n")

// spaces matches several spaces, which a page shows as one.
var spaces = regexp.MustCompile("  +")

// oneSpace replaces other characters that look like a space, such as the no-break space of word processors.
func oneSpace(r rune) rune {
	if r != '\u3000' && unicode.Is(unicode.Zs, r) { // an ideographic space is as wide as its characters
		return ' '
	}
	return r
}

// CheckAddress returns fault.Invalid with the field for an address, such as a URL, that has more than bytesMax bytes, a
// space or an invisible character. Addresses are stored unchanged, because another form may lead elsewhere.
func CheckAddress(field, s string, bytesMax int) error {
	if len(s) > bytesMax {
		return fault.Bad(field, "It has %d bytes; at most %d are allowed.", len(s), bytesMax)
	}
	if !utf8.ValidString(s) {
		return fault.Bad(field, "The text is not UTF-8.")
	}
	var before rune
	for _, r := range s {
		if unicode.IsSpace(r) || forbidden(r) != "" || isInvisible(r) || isTag(r) || isVariation(r) && !varies(before) {
			return fault.Bad(field, "It holds U+%04X, which has no place in an address.", r)
		}
		before = r
	}
	return nil
}

// check returns fault.Invalid with the field for the first character that is not allowed in its place.
func check(field, s string, k Kind) error {
	var before rune
	marks := 0
	for at, r := range s {
		if k == Block && (r == '\n' || r == '\t') {
			before, marks = r, 0
			continue
		}
		if why := forbidden(r); why != "" {
			return fault.Bad(field, "It holds U+%04X, %s.", r, why)
		}
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
			marks++
		default:
			marks = 0
		}
		switch {
		case marks > marksMax:
			return fault.Bad(field, "It has more than %d marks on one letter.", marksMax)
		case isTag(r) && before != blackFlag && !isTag(before):
			return fault.Bad(field, "It holds U+%04X, an invisible tag character.", r)
		case k == Name && (isInvisible(r) && !joins(before, r, s[at:]) || isVariation(r) && !varies(before)):
			return fault.Bad(field, "It holds U+%04X, which cannot be seen: two that look the same would be two.", r)
		}
		before = r
	}
	return nil
}

// forbidden describes a character that no text may contain; empty if it is allowed.
func forbidden(r rune) string {
	switch {
	case unicode.IsControl(r):
		return "a control character"
	case isBidiControl(r):
		return "which turns the direction of writing"
	case r == '\u2028' || r == '\u2029':
		return "a line break"
	case r == '\uFEFF':
		return "a byte order mark"
	case r >= 0xFFF9 && r <= 0xFFFB || r == 0xE0001 || r == 0x1BCA0 || r > 0x1D172 && r < 0x1D17B:
		return "a character that formats other text"
	case r >= 0xFDD0 && r <= 0xFDEF || r&0xFFFE == 0xFFFE:
		return "which is no character"
	}
	return ""
}

// isBidiControl reports the embeddings, overrides and isolates of Unicode's bidirectional algorithm, which reorder the
// text around them. The marks (LRM, RLM, ALM) do not, and Hebrew and Arabic texts use them.
func isBidiControl(r rune) bool { return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x206F }

// blackFlag starts the flags of England, Scotland and Wales, which are spelt with tags.
const blackFlag = 0x1F3F4

func isTag(r rune) bool { return r >= 0xE0020 && r <= 0xE007F }

// isVariation reports whether r is a variation selector, which chooses the look of the character before it.
func isVariation(r rune) bool { return unicode.Is(unicode.Variation_Selector, r) }

// varies reports whether a character has variants: pictures, ideographs, digits and signs do. Letters of Latin, Greek,
// Cyrillic and Hebrew do not, so a selector after them would be invisible.
func varies(r rune) bool {
	return r > 0x5FF && !isVariation(r) || r >= '0' && r <= '9' || strings.ContainsRune("#*\u00a9\u00ae", r)
}

// isInvisible reports characters without width, or with nothing but width. It omits variation selectors and tags: see
// isVariation and isTag.
func isInvisible(r rune) bool {
	switch r {
	case '\u00AD', '\u034F', '\u061C', '\u115F', '\u1160', '\u17B4', '\u17B5', '\u180E', '\u200B', '\u200C', '\u200D', '\u200E', '\u200F',
		'\u2060', '\u2061', '\u2062', '\u2063', '\u2064', '\u2800', '\u3164', '\uFFA0':
		return true
	}
	return false
}

// joins reports whether the joiner or non-joiner at the start of rest has an effect: between letters of joining
// scripts, as in Persian, or between the pictures of one emoji.
func joins(before, r rune, rest string) bool {
	if r != '\u200C' && r != '\u200D' {
		return false
	}
	after, _ := utf8.DecodeRuneInString(rest[utf8.RuneLen(r):])
	return joinable(before) && joinable(after)
}

func joinable(r rune) bool {
	return r > 0x5FF && r != utf8.RuneError && !isInvisible(r) && !unicode.IsSpace(r)
}

// blank reports whether a text has no visible character.
func blank(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsSpace(r) && !isInvisible(r) && !isTag(r) && !unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf)
	})
}

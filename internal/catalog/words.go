package catalog

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a search by name. Each word is matched against every title that has the words before it.
const (
	wordsMax     = 8
	wordRunesMax = 40
)

// Words returns the words of a shopper's search in lower case, each once, at most 8 of at most 40 characters. It leaves
// out further and longer words, and everything that is not text.
func Words(search string) []string {
	var words []string
	if !utf8.ValidString(search) {
		return nil
	}
	seen := map[string]bool{}
	for word := range strings.FieldsFuncSeq(strings.ToLower(search), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		if len(words) == wordsMax {
			break
		}
		if utf8.RuneCountInString(word) <= wordRunesMax && !seen[word] {
			seen[word] = true
			words = append(words, word)
		}
	}
	return words
}

package catalog

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a search by name: each word is looked for in every title that has the words before it.
const (
	wordsMax     = 8
	wordRunesMax = 40
)

// Words returns what a shopper's search is looked for by: the words in lower case, each once, at most 8 of at most 40
// characters. What is beyond that, or is no text, is left out.
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

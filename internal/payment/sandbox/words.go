package sandbox

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
)

//go:embed words
var wordFiles embed.FS

// languageCookie holds the chosen language of a shop on the same host.
const languageCookie = "tg_lang"

// dictionary holds the cashier's texts, one file for each language. The first language is English.
type dictionary struct {
	tags    []string
	words   map[string]map[string]string
	matcher language.Matcher
}

// words are parsed at start, so that every test finds an error in them.
var words = readWords()

func readWords() *dictionary {
	d := &dictionary{words: map[string]map[string]string{}}
	entries, err := fs.ReadDir(wordFiles, "words")
	if err != nil {
		panic(err)
	}
	var tags []language.Tag
	for _, e := range entries {
		text, err := wordFiles.ReadFile("words/" + e.Name())
		if err != nil {
			panic(err)
		}
		var all map[string]string
		if err := yaml.Unmarshal(text, &all); err != nil {
			panic(fmt.Sprintf("%s: %v", e.Name(), err))
		}
		tag := strings.TrimSuffix(e.Name(), ".yaml")
		d.tags, d.words[tag] = append(d.tags, tag), all
		tags = append(tags, language.Make(tag))
	}
	d.matcher = language.NewMatcher(tags)
	return d
}

// of returns the language of a request.
func (d *dictionary) of(r *http.Request) string {
	if c, err := r.Cookie(languageCookie); err == nil && d.words[c.Value] != nil {
		return c.Value
	}
	_, i := language.MatchStrings(d.matcher, r.Header.Get("Accept-Language"))
	return d.tags[i]
}

// Package lang holds the words of the pages, a file for each language: adding a language is adding a file. A key that one
// language has and another lacks fails the tests.
package lang

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"github.com/tidegate/tidegate/internal/kernel/money"
)

//go:embed files
var files embed.FS

// Default is the language of a shopper whose own is none of ours.
const Default = "en"

// Language is the words of one language. Read-only, and safe for concurrent use.
type Language struct {
	// Tag is the BCP 47 name, such as "en"; Name is what its speakers call it.
	Tag, Name string
	// Index is its place in Set.All.
	Index  int
	tag    language.Tag
	words  map[string]message
	date   string
	months []string
	// forms of time.Format
	clock, clockSeconds string
}

// message is a text, or one for each plural form.
type message map[string]string

// UnmarshalYAML reads a plain text as the form "other".
func (m *message) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*m = message{"other": node.Value}
		return nil
	}
	var forms map[string]string
	if err := node.Decode(&forms); err != nil {
		return err
	}
	*m = forms
	return nil
}

// Set is every language.
type Set struct {
	// All are the languages, the default first.
	All     []*Language
	byTag   map[string]*Language
	matcher language.Matcher
	// accepted remembers what was found for the headers that browsers send: there are few, and reading one is dear.
	accepted sync.Map
	headers  atomic.Int64
}

// headersMax bounds what is remembered, for anyone can make headers up.
const headersMax = 1000

// Load reads the files, once in a process: every call returns the same set. It returns an error for one that cannot be read.
var Load = sync.OnceValues(load)

func load() (*Set, error) {
	entries, err := fs.ReadDir(files, "files")
	if err != nil {
		return nil, err
	}
	s := &Set{byTag: map[string]*Language{}}
	for _, e := range entries {
		l, err := read(e.Name())
		if err != nil {
			return nil, fmt.Errorf("read the language %s: %w", e.Name(), err)
		}
		s.byTag[l.Tag] = l
		if l.Tag == Default {
			s.All = append([]*Language{l}, s.All...)
			continue
		}
		s.All = append(s.All, l)
	}
	tags := make([]language.Tag, len(s.All))
	for i, l := range s.All {
		l.Index, tags[i] = i, l.tag
	}
	s.matcher = language.NewMatcher(tags)
	return s, nil
}

func read(name string) (*Language, error) {
	text, err := files.ReadFile("files/" + name)
	if err != nil {
		return nil, err
	}
	l := &Language{Tag: strings.TrimSuffix(name, path.Ext(name)), words: map[string]message{}}
	if l.tag, err = language.Parse(l.Tag); err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(text, &l.words); err != nil {
		return nil, err
	}
	l.Name = l.T("language")
	l.clock, l.clockSeconds = l.T("format.clock"), l.T("format.clock_seconds")
	l.date, l.months = l.T("format.date"), strings.Fields(l.T("format.months"))
	if len(l.months) != 12 {
		return nil, fmt.Errorf("format.months names %d months", len(l.months))
	}
	return l, nil
}

// Find returns the language that a shopper has chosen, by its tag, or else the one that fits what their browser prefers
// (an Accept-Language header).
func (s *Set) Find(chosen, accepted string) *Language {
	if chosen != "" {
		if l := s.byTag[chosen]; l != nil {
			return l
		}
	}
	if accepted == "" {
		return s.All[0]
	}
	if l, ok := s.accepted.Load(accepted); ok {
		return l.(*Language)
	}
	_, i := language.MatchStrings(s.matcher, accepted)
	if s.headers.Load() < headersMax {
		if _, known := s.accepted.LoadOrStore(strings.Clone(accepted), s.All[i]); !known {
			s.headers.Add(1)
		}
	}
	return s.All[i]
}

// Has reports whether there is a language of that tag.
func (s *Set) Has(tag string) bool { return s.byTag[tag] != nil }

// T returns the text of a key with its {places} filled by pairs of name and value. A number named n chooses the plural
// form. It panics for a key that does not exist: keys stand in the code beside the files.
func (l *Language) T(key string, pairs ...any) string {
	m, ok := l.words[key]
	if !ok {
		panic("the language " + l.Tag + " has no words for " + key)
	}
	text := m["other"]
	for i := 0; i+1 < len(pairs); i += 2 {
		name := pairs[i].(string)
		value := fmt.Sprint(pairs[i+1])
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && name == "n" {
			if form, ok := m[l.form(n)]; ok {
				text = form
			}
			value = l.Number(n)
		}
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

// Has reports whether there are words for a key.
func (l *Language) Has(key string) bool { return l.words[key] != nil }

// Word returns the words of a name under a prefix, such as those of a status; where there are none, the name itself.
func (l *Language) Word(prefix, name string) string {
	if key := prefix + "." + name; l.Has(key) {
		return l.T(key)
	}
	return name
}

// form names the plural form of n. See https://cldr.unicode.org/index/cldr-spec/plural-rules.
func (l *Language) form(n int64) string {
	names := map[plural.Form]string{plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many"}
	if name, ok := names[plural.Cardinal.MatchPlural(l.tag, int(n%10_000_000), 0, 0, 0, 0)]; ok {
		return name
	}
	return "other"
}

// Number writes n with its thousands apart.
func (l *Language) Number(n int64) string {
	text := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, text = "−", text[1:]
	}
	return sign + grouped(text)
}

func grouped(digits string) string {
	if len(digits) <= 3 {
		return digits
	}
	return grouped(digits[:len(digits)-3]) + "," + digits[len(digits)-3:]
}

// Money writes an amount for people, such as £1,250.00.
func (l *Language) Money(a money.Amount) string { return a.Text() }

// Time writes a moment in a zone, with the zone's abbreviation: to the minute, or to the second where there are seconds.
func (l *Language) Time(t time.Time, zone *time.Location) string {
	t = t.In(zone)
	date := strings.NewReplacer("{year}", t.Format("2006"), "{month}", l.months[t.Month()-1], "{day}", strconv.Itoa(t.Day())).Replace(l.date)
	clock := l.clock
	if t.Second() != 0 {
		clock = l.clockSeconds
	}
	return date + " " + t.Format(clock+" MST")
}

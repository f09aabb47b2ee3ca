package lang

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/money"
)

func loaded(t *testing.T) *Set {
	t.Helper()
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var place = regexp.MustCompile(`\{[a-z]+\}`)

func places(m message) []string {
	all := place.FindAllString(m["other"], -1)
	slices.Sort(all)
	return slices.Compact(all)
}

// Every language has the words that the others have, with the same places in them.
func TestLanguagesHaveTheSameKeys(t *testing.T) {
	s := loaded(t)
	for _, l := range s.All {
		for _, other := range s.All {
			for key, m := range other.words {
				mine, ok := l.words[key]
				if !ok {
					t.Errorf("%s lacks %s, which %s has", l.Tag, key, other.Tag)
					continue
				}
				if mine["other"] == "" {
					t.Errorf("%s: %s has no text for the form other", l.Tag, key)
				}
				if !slices.Equal(places(mine), places(m)) {
					t.Errorf("%s: %s has the places %v, and in %s %v", l.Tag, key, places(mine), other.Tag, places(m))
				}
			}
		}
	}
}

func TestFind(t *testing.T) {
	s := loaded(t)
	for _, tt := range []struct{ chosen, accepted, want string }{
		{"", "", "en"},
		{"", "fr-FR,fr;q=0.9", "en"},
		{"", "zh-CN,zh;q=0.9,en;q=0.8", "zh"},
		{"", "zh-TW", "zh"},
		{"", "en-GB,zh;q=0.5", "en"},
		{"zh", "en", "zh"},
		{"en", "zh", "en"},
		{"xx", "zh", "zh"},
		{"", ";;;q=x", "en"},
	} {
		if got := s.Find(tt.chosen, tt.accepted).Tag; got != tt.want {
			t.Errorf("chosen %q, accepted %q: %s, want %s", tt.chosen, tt.accepted, got, tt.want)
		}
	}
}

func TestFormats(t *testing.T) {
	en, zh := loaded(t).Find("en", ""), loaded(t).Find("zh", "")
	at := time.Date(2026, 11, 27, 19, 4, 5, 0, time.UTC)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ got, want string }{
		{en.Money(money.Of(125000, "GBP")), "£1,250.00"},
		{en.Money(money.Of(1250, "JPY")), "¥1,250"},
		{zh.Money(money.Of(5, "CNY")), "¥0.05"},
		{en.Money(money.Of(1250, "CHF")), "CHF\u00a012.50"},
		{en.Time(at, time.UTC), "27 November 2026 19:04:05 UTC"},
		{zh.Time(at, time.UTC), "2026年11月27日 19:04:05 UTC"},
		{en.Time(at.Truncate(time.Minute), time.UTC), "27 November 2026 19:04 UTC"},
		{en.Time(at, berlin), "27 November 2026 20:04:05 CET"},
		{en.Time(at.AddDate(0, -5, 0), berlin), "27 June 2026 21:04:05 CEST"},
		{en.Number(1234567), "1,234,567"},
		{en.T("left", "n", 1), "1 left"},
		{en.T("left", "n", int64(1200)), "1,200 left"},
		{en.T("units", "n", 1), "1 item"},
		{en.T("units", "n", 2), "2 items"},
		{zh.T("units", "n", 2), "2 件"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

package catalog

import (
	"slices"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	for search, want := range map[string][]string{
		"":                               nil,
		"  ":                             nil,
		"Red  RETROSPOT red":             {"red", "retrospot"},
		"100% a_b":                       {"100%", "a_b"},
		"一 二":                            {"一", "二"},
		"\x00a\tb":                       {"a", "b"},
		"\xff":                           nil,
		strings.Repeat("x", 41) + " y":   {"y"},
		"a b c d e f g h i j":            {"a", "b", "c", "d", "e", "f", "g", "h"},
		strings.Repeat("the same ", 500): {"the", "same"},
	} {
		if got := Words(search); !slices.Equal(got, want) {
			t.Errorf("%.40q: %q, want %q", search, got, want)
		}
	}
}

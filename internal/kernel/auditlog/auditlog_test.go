package auditlog

import (
	"context"
	"strings"
	"testing"
)

func TestContext(t *testing.T) {
	if e := EntryFrom(context.Background()); e != nil {
		t.Errorf("an empty context has the entry %+v", e)
	}
	if e := EntryFrom(WithEntry(context.Background(), Entry{Verb: "pauseSale"})); e == nil || e.Verb != "pauseSale" {
		t.Errorf("got %+v", e)
	}
}

// TestReason: text.Clean's own tests check the rule.
func TestReason(t *testing.T) {
	for _, c := range []struct {
		name, given, want   string
		optional, mandatory bool // whether it is accepted
	}{
		{"empty", "", "", true, false},
		{"blank", " ", "", true, false},
		{"short", " sold twice by hand ", "sold twice by hand", true, true},
		{"longest", strings.Repeat("浪", ReasonRunesMax), strings.Repeat("浪", ReasonRunesMax), true, true},
		{"too long", strings.Repeat("a", ReasonRunesMax+1), "", false, false},
		{"two lines", "a\nb", "", false, false},
		{"a terminal's command", "a\x1b[2Jb", "", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, one := range []struct {
				clean func(field, s string) (string, error)
				taken bool
			}{{CleanReason, c.optional}, {RequiredReason, c.mandatory}} {
				if got, err := one.clean("reason", c.given); got != c.want || (err == nil) != one.taken {
					t.Errorf("got %q and %v, want %q", got, err, c.want)
				}
			}
		})
	}
}

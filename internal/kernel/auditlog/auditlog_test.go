package auditlog

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestContext(t *testing.T) {
	if e := From(context.Background()); e != nil {
		t.Errorf("an empty context has the entry %+v", e)
	}
	if e := From(With(context.Background(), Entry{Verb: "pauseSale"})); e == nil || e.Verb != "pauseSale" {
		t.Errorf("got %+v", e)
	}
}

func TestCleanReason(t *testing.T) {
	for _, c := range []struct{ name, given, want string }{
		{"empty", "", ""},
		{"short", "sold twice by hand", "sold twice by hand"},
		{"longest", strings.Repeat("a", ReasonBytesMax), strings.Repeat("a", ReasonBytesMax)},
		{"too long", strings.Repeat("a", ReasonBytesMax+1), strings.Repeat("a", ReasonBytesMax)},
		{"cut in a character", strings.Repeat("a", ReasonBytesMax-1) + "浪", strings.Repeat("a", ReasonBytesMax-1)},
		{"cut after a character", strings.Repeat("a", ReasonBytesMax-3) + "浪浪", strings.Repeat("a", ReasonBytesMax-3) + "浪"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := CleanReason(c.given)
			if got != c.want || !utf8.ValidString(got) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

package wire

import (
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

func TestCheckQuery(t *testing.T) {
	known := []string{"cursor", "limit"}
	for _, c := range []struct{ raw, field string }{
		{"", ""}, {"limit=1", ""}, {"cursor=a&limit=1", ""}, {"&&limit=1", ""}, {"li%6Dit=1", ""}, {"limit", ""},
		{"limti=1", "limti"}, {"limit=1&Cursor=b", "Cursor"}, {"=1", ""}, {"a%20b=1", "a b"}, {"limit=%C3%BC", ""},
	} {
		err := CheckQuery(c.raw, known)
		if c.field == "" {
			if err != nil {
				t.Errorf("%q: %v", c.raw, err)
			}
			continue
		}
		f := fault.As(err)
		if err == nil || f.Code != fault.BadRequest || f.Field != c.field || !strings.Contains(f.Detail, "cursor, limit") {
			t.Errorf("%q: %v", c.raw, err)
		}
	}
	for _, raw := range []string{"limit=1;x=2", "limit=%zz", "%zz=1", "limit;cursor=1"} {
		if err := CheckQuery(raw, known); err == nil || !strings.Contains(fault.As(err).Detail, "cannot be read") {
			t.Errorf("%q: %v", raw, err)
		}
	}
	if err := CheckQuery("x=1", nil); err == nil || !strings.Contains(fault.As(err).Detail, "takes none") {
		t.Errorf("%v", err)
	}
}

func TestCheckQueryAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _ = CheckQuery("", nil) }); n != 0 {
		t.Errorf("%g allocations for no query", n)
	}
}

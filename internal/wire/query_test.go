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
		{"limti=1", "limti"}, {"limit=1&Cursor=b", "Cursor"}, {"=1", ""}, {"%zz=1", "%zz"}, {"a%20b=1", "a b"}, {"limit=1;x=2", ""},
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
	if err := CheckQuery("x=1", nil); err == nil || !strings.Contains(fault.As(err).Detail, "takes none") {
		t.Errorf("%v", err)
	}
}

func TestCheckQueryAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _ = CheckQuery("", nil) }); n != 0 {
		t.Errorf("%g allocations for no query", n)
	}
}

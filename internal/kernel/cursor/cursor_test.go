package cursor

import (
	"errors"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

func TestCursor(t *testing.T) {
	orders := Of("orders", "status=paid")
	given := orders.After(7240126464000001)
	if last, err := orders.Read(given); err != nil || last != 7240126464000001 {
		t.Errorf("%q is read as %d, %v", given, last, err)
	}
	if last, err := orders.Read(""); err != nil || last != 0 {
		t.Errorf("no cursor is read as %d, %v", last, err)
	}
	bad := map[string]string{
		"of another list":          Of("sales", "status=paid").After(7240126464000001),
		"of another filter":        Of("orders", "status=pending").After(7240126464000001),
		"of the list without it":   Of("orders").After(7240126464000001),
		"of parts joined together": Of("ordersstatus=paid").After(7240126464000001),
		"of no id":                 orders.After(0),
		"of a negative id":         orders.After(-1),
		"an id":                    "7240126464000001",
		"as they were once":        "i-1zcfk2n4w9c",
		"longer":                   given + "A",
		"twice":                    given + given,
	}
	for n := 1; n < len(given); n++ {
		bad["cut short to "+given[:n]] = given[:n]
		changed := []byte(given)
		if changed[n]++; changed[n] == given[n]+1 {
			bad["changed to "+string(changed)] = string(changed)
		}
	}
	for name, text := range bad {
		last, err := orders.Read(text)
		if f := fault.As(err); !errors.Is(err, fault.BadRequest) || f.Field != "cursor" {
			t.Errorf("%s: %q is read as %d, %v", name, text, last, err)
		}
	}
}

// FuzzCursor: every accepted cursor was issued.
func FuzzCursor(f *testing.F) {
	l := Of("orders")
	for _, seed := range []string{"", "i-1", l.After(1), l.After(1 << 62), Of("sales").After(1), l.After(1)[:19]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		last, err := l.Read(text)
		if err == nil && text != "" && (last <= 0 || l.After(last) != text) {
			t.Errorf("%q is taken for %d", text, last)
		}
	})
}

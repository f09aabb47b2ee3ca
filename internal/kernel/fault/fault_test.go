package fault

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	slugs, numbers := map[string]bool{}, map[int]bool{}
	for _, c := range Codes() {
		r := c.Row()
		if r.Slug == "" || r.Title == "" || slugs[r.Slug] || numbers[r.Number] {
			t.Errorf("code %d: %+v is empty or not unique", c, r)
		}
		slugs[r.Slug], numbers[r.Number] = true, true
		if http.StatusText(r.Status) == "" || r.Status < 400 {
			t.Errorf("%s: status %d", c, r.Status)
		}
		if family := r.Number / 1000; family < 4 || family > 7 {
			t.Errorf("%s: number %d is of no family", c, r.Number)
		}
		if r.Number < 5000 && r.Status/100 != 4 {
			t.Errorf("%s: the request's fault has status %d", c, r.Status)
		}
	}
	for c, want := range map[Code]int{SoldOut: 5001, LimitReached: 5002, SaleNotOpen: 5003, SaleEnded: 5004} {
		if c.Row().Number != want {
			t.Errorf("%s has number %d, not %d: numbers are stable", c, c.Row().Number, want)
		}
	}
	if Code(200).Row().Slug != "internal" {
		t.Error("a code outside the table must be internal")
	}
}

func TestError(t *testing.T) {
	err := fmt.Errorf("place: %w", Wrap(SoldOut, io.ErrUnexpectedEOF, "Nothing left of %s.", "42").After(time.Second))
	if !errors.Is(err, SoldOut) || errors.Is(err, LimitReached) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("errors.Is does not see through %v", err)
	}
	if f := As(err); f.Code != SoldOut || f.RetryAfter != time.Second || f.Detail != "Nothing left of 42." {
		t.Errorf("got %+v", f)
	}
	if c := CodeOf(io.EOF); c != Internal {
		t.Errorf("an error without a code is %s", c)
	}
	if f := As(io.EOF); f.Code != Internal || f.Detail != "" || !errors.Is(f, io.EOF) {
		t.Errorf("got %+v", f)
	}
	if got := Bad("lines[0].quantity", "must be 1 to %d", 10).Error(); got != "invalid lines[0].quantity: must be 1 to 10" {
		t.Errorf("got %q", got)
	}
	if New(SoldOut, "100%").Detail != "100%" {
		t.Error("a detail without arguments is taken as it is")
	}
}

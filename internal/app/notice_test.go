package app

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// press sends a form of a page, and returns where it leads and the cookies that it sets, as a header.
func (s *pageShop) press(path, cookie string, form url.Values) (location, cookies string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.base+path, strings.NewReader(form.Encode()))
	noError(s.T, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Cookie", cookie)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	a, err := http.DefaultTransport.RoundTrip(r)
	noError(s.T, err)
	noError(s.T, a.Body.Close())
	if a.StatusCode != http.StatusSeeOther {
		s.Fatalf("POST %s: %d", path, a.StatusCode)
	}
	for _, c := range a.Cookies() {
		cookies += "; " + c.Name + "=" + c.Value
	}
	return a.Header.Get("Location"), cookies
}

const noticed = `class="notice" role="alert"`

// TestNoticesComeFromTheShop checks that a page says what came of a form once, and that a link cannot make it say anything.
func TestNoticesComeFromTheShop(t *testing.T) {
	t.Parallel()
	s := newPageShop(t)
	_, cookie := s.shopper("ann")
	_, plain := s.look("GET", s.path, "Cookie: "+cookie)
	for _, address := range []string{s.path + "?told=sold_out", s.path + "?notice=sold_out"} {
		if _, body := s.look("GET", address, "Cookie: "+cookie); strings.Contains(body, noticed) || body != plain {
			t.Errorf("%s changes the page", address)
		}
	}
	_, elsewhere := s.look("GET", s.path, "Cookie: "+cookie+"; tg_notice=sold_out@/sales/1")
	_, nonsense := s.look("GET", s.path, "Cookie: "+cookie+"; tg_notice=<b>@"+s.path)
	if strings.Contains(elsewhere, noticed) || strings.Contains(nonsense, noticed) {
		t.Error("a notice for another page, or one that is none, is shown")
	}

	form := url.Values{"key": {"k"}, "sku": {s.sku.String()}, "units-" + s.sku.String(): {"99"}}
	location, notice := s.press(s.path+"/orders", cookie, form)
	if location != s.path || !strings.Contains(notice, "tg_notice=fewer_left@") {
		t.Fatalf("99 of 50 lead to %s with%s", location, notice)
	}
	a, body := s.look("GET", s.path, "Cookie: "+cookie+notice)
	if !strings.Contains(body, noticed) || !strings.Contains(body, "fewer left than you chose") || a.Header.Get("Cache-Control") != personal {
		t.Errorf("after the form the page does not say so: %v", a.Header)
	}
	gone := false
	for _, c := range a.Cookies() {
		gone = gone || c.Name == "tg_notice" && c.MaxAge < 0
	}
	if !gone {
		t.Error("the notice stays in the browser")
	}
}

// TestThePickerOffersWhatIsLeft checks that a page offers no more units than the sale shows to be left.
func TestThePickerOffersWhatIsLeft(t *testing.T) {
	t.Parallel()
	s := newPageShop(t)
	_, cookie := s.shopper("ann")
	if _, body := s.look("GET", s.path, "Cookie: "+cookie); !strings.Contains(body, "<option>10</option>") {
		t.Fatal("of 50 the page does not offer ten")
	}
	for n := range 48 {
		who, _ := s.shopper("shopper" + id.Customer(n+1).String())
		s.buy(who)
	}
	await.Until(t, "with 2 left the page offers two", func() bool {
		_, body := s.look("GET", s.path, "Cookie: "+cookie)
		return strings.Contains(body, "<option>2</option>") && !strings.Contains(body, "<option>3</option>")
	})
}

package app

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestARefundSaysWhatItDoes: units go back on sale only where whoever refunds says so, by the page and by the API alike; the page
// tells of one refund once, and offers no second one while the first is under way.
func TestARefundSaysWhatItDoes(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	general := func() int64 {
		pools, err := s.app.stock.Pools(t.Context(), s.sku)
		noError(t, err)
		return pools[0].OnHand
	}
	for _, one := range []struct {
		name    string
		form    url.Values // of the page; else body is sent to the API
		body    string
		refused bool
		back    int64
	}{
		{name: "the page, nothing said", form: url.Values{}, refused: true},
		{name: "the page, nonsense said", form: url.Values{"restock": {"perhaps"}}, refused: true},
		{name: "the page, no", form: url.Values{"restock": {"no"}}},
		{name: "the page, yes", form: url.Values{"restock": {"yes"}}, back: 1},
		{name: "the API, nothing said", body: `{"reason":"arrived broken"}`},
		{name: "the API, no", body: `{"reason":"arrived broken","restock":false}`},
		{name: "the API, yes", body: `{"reason":"arrived broken","restock":true}`, back: 1},
	} {
		order, before := s.pay("/v1/sales/"+s.sale.String()+"/orders", s.sku, s.shopper), general()
		address := "/console/orders/" + order
		if page := s.page(address); !strings.Contains(page, `action="`+address+`/refund"`) || strings.Count(page, `name="restock"`) != 2 {
			t.Fatalf("%s: the page does not ask whether units go back:\n%s", one.name, page)
		}
		page := ""
		if one.form != nil {
			one.form.Set("reason", "arrived broken")
			page = s.form(address+"/refund", one.form)
		} else {
			s.must(201, "POST", "/v1/admin/orders/"+order+"/refund", s.app.localKey, one.body, nil)
			page = s.page(address)
		}
		if one.refused {
			if s.becomes(order, "paid"); !strings.Contains(page, "restock") {
				t.Errorf("%s: it is not refused:\n%s", one.name, page)
			}
			continue
		}
		for range 2 { // under way, and over
			if strings.Contains(page, `/refund"`) || strings.Contains(page, `/fulfil"`) {
				t.Errorf("%s: the page offers what it does already:\n%s", one.name, page)
			}
			if told := strings.Count(page, "arrived broken"); told != 1 {
				t.Errorf("%s: the page tells %d times of one refund:\n%s", one.name, told, page)
			}
			s.becomes(order, "refunded")
			page = s.page(address)
		}
		if back := general() - before; back != one.back {
			t.Errorf("%s: %d units are back, not %d", one.name, back, one.back)
		}
		if says := strings.Contains(page, "its units went back"); says != (one.back > 0) {
			t.Errorf("%s: the page says that units went back: %t", one.name, says)
		}
	}
}

// asked are the changes that the console's pages offer, and what each has to say before it is made. One that is added has to be said
// here too.
var asked = map[string]string{
	"/console/orders/#/cancel": "its units go back on sale", "/console/orders/#/fulfil": "cannot be taken back", "/console/orders/#/refund": "go back on sale?",
	"/console/sales/#/schedule": "opens at its time by itself", "/console/sales/#/pause": "the sale is paused", "/console/sales/#/end": "goes back to general stock",
	"/console/sales/#/limit": "for each shopper", "/console/sales/#/stop-item": "sells no more in this sale", "/console/sales/#/allocation": "general stock into the sale",
	"/console/customers/#/block": "every session ends", "/console/webhooks/#/pause": "told nothing until", "/console/webhooks/#/delete": "what waits is dropped",
	"/console/webhooks/#/secret": "the secret before signs", "/console/keys/#/revoke": "opens nothing any more",
}

var (
	asks   = regexp.MustCompile(`(?s)<form method="post" action="(/console/[^"]+)".*?</form>`)
	number = regexp.MustCompile(`\d{6,}`)
)

// soon is a moment that comes, as JSON has it.
func soon(in time.Duration) string { return time.Now().Add(in).UTC().Format(time.RFC3339) }

// TestEveryFormSaysWhatItDoes walks through the pages with things that can be changed: each form of one thing says what follows.
func TestEveryFormSaysWhatItDoes(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	paid := s.pay("/v1/sales/"+s.sale.String()+"/orders", s.sku, s.shopper)
	var open struct{ ID string }
	s.must(201, "POST", "/v1/sales/"+s.sale.String()+"/orders", s.shopper, fmt.Sprintf(`{"lines":[{"sku_id":"%s","quantity":1}]}`, s.sku), &open)
	var me, draft struct{ ID string }
	s.must(200, "GET", "/v1/customers/me", s.shopper, "", &me)
	terms := `{"title":"Drop","starts_at":"%s","ends_at":"%s","payment_window_seconds":60,"items":[{"sku_id":"%s","price":{"minor":5,"currency":"GBP"},"allocation":1}]}`
	s.must(201, "POST", "/v1/admin/sales", s.app.localKey, fmt.Sprintf(terms, soon(time.Hour), soon(2*time.Hour), s.sku), &draft)
	var hooks struct{ Items []struct{ ID string } }
	s.must(200, "GET", "/v1/admin/webhooks", s.app.localKey, "", &hooks)
	seen := map[string]bool{}
	for _, path := range []string{
		"/console/orders/" + paid, "/console/orders/" + open.ID, "/console/sales/" + s.sale.String(), "/console/sales/" + draft.ID,
		"/console/customers/" + me.ID, "/console/webhooks/" + hooks.Items[0].ID, "/console/keys",
	} {
		for _, form := range asks.FindAllStringSubmatch(s.page(path), -1) {
			action := number.ReplaceAllString(form[1], "#")
			if !strings.Contains(action, "#/") || strings.Contains(action, "/sessions/") || strings.Contains(action, "/deliveries/") {
				continue
			}
			says, known := asked[action]
			seen[action] = true
			if !known {
				t.Errorf("the table lacks %s", action)
			} else if !strings.Contains(form[0], says) {
				t.Errorf("%s does not say %q: %s", action, says, form[0])
			}
		}
	}
	for action := range asked {
		if !seen[action] {
			t.Errorf("no page offered %s", action)
		}
	}
}

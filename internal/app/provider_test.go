package app

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// TestWhoTakesTheMoney: outside the demonstration orders are paid at the sandbox only where it was chosen by name, which is said at the
// start and on pages; with none chosen a payment is refused and the setting is named. Rehearsals are paid at the sandbox in any case.
func TestWhoTakesTheMoney(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		chosen, asked string
		rehearsal     bool
		want          int
	}{
		{"", "", false, 409}, {"", "sandbox", false, 409}, {"", "", true, 201}, {"", "sandbox", true, 201}, {"", "piggybank", false, 422},
		{"sandbox", "", false, 201}, {"sandbox", "sandbox", false, 201}, {"sandbox", "", true, 201}, {"sandbox", "piggybank", true, 422},
	} {
		t.Run(fmt.Sprintf("chosen %q, asked %q, rehearsal %t", one.chosen, one.asked, one.rehearsal), func(t *testing.T) {
			t.Parallel()
			s := newStage(t, func(c *Config) { c.Payments.Provider = one.chosen })
			path, sku, token := "/v1/sales/"+s.sale.String()+"/orders", s.sku, s.shopper
			if one.rehearsal {
				path, sku, token = "/v1/sales/"+s.rehearsal.SaleId.String()+"/orders", s.rehearsal.SkuIds[0], s.fake
			}
			var o struct{ ID string }
			s.must(201, "POST", path, token, fmt.Sprintf(`{"lines":[{"sku_id":"%s","quantity":1}]}`, sku), &o)
			body := ""
			if one.asked != "" {
				body = fmt.Sprintf(`{"provider":%q}`, one.asked)
			}
			status, text := s.ask("POST", "/v1/orders/"+o.ID+"/payments", token, body)
			if status != one.want || status == 409 && !(strings.Contains(text, `"payment_refused"`) && strings.Contains(text, "payments.provider")) {
				t.Errorf("%d %s", status, text)
			}
			page := s.page("/console/orders")
			if one.chosen == "" != strings.Contains(page, "No payment provider is chosen") || one.chosen != "" != strings.Contains(page, "no money moves") {
				t.Errorf("the console does not say who takes the money:\n%s", page)
			}
		})
	}
}

// TestTheSandboxIsAnnounced: the log and the line on stderr say where money goes.
func TestTheSandboxIsAnnounced(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		chosen string
		demo   bool
		says   string
	}{{"", false, "payments are refused"}, {"sandbox", false, "no money moves"}, {"", true, ""}} {
		c := testConfig(t)
		c.Payments.Provider = one.chosen
		var log bytes.Buffer
		a, err := New(t.Context(), c, Options{Demo: one.demo, Log: slog.New(slog.NewTextHandler(&log, nil))})
		noError(t, err)
		if notice := a.PaymentNotice(); (notice == "") != (one.says == "") || !strings.Contains(notice, one.says) {
			t.Errorf("%+v: %q", one, notice)
		}
		if !one.demo {
			_, stop := running(t, a)
			noError(t, stop())
			if !strings.Contains(log.String(), one.says) {
				t.Errorf("%+v: the log does not say it:\n%s", one, &log)
			}
		}
		noError(t, a.Close())
	}
}

// TestTheSandboxIsControlledByOperators: what a shopper has, the address of the cashier, pays there and controls nothing.
func TestTheSandboxIsControlledByOperators(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	keys := map[string]string{}
	for _, role := range []string{"catalog", "sales", "orders", "payments", "all"} {
		_, key, err := s.app.account.CreateKey(t.Context(), role, []string{role})
		noError(t, err)
		keys[role] = key
	}
	keys["nobody"], keys["a shopper"], keys["a forger"] = "", s.shopper, "tgk_1.forged"
	for _, one := range []struct {
		who       string
		rehearsal bool
		want      int
	}{
		{"nobody", false, 401}, {"a shopper", false, 401}, {"a forger", false, 401}, {"nobody", true, 401}, {"a shopper", true, 401},
		{"catalog", false, 403}, {"orders", false, 403}, {"sales", false, 403}, {"orders", true, 403},
		{"sales", true, 204}, {"payments", false, 204}, {"all", false, 204},
	} {
		path, sku, token := "/v1/sales/"+s.sale.String()+"/orders", s.sku, s.shopper
		if one.rehearsal {
			path, sku, token = "/v1/sales/"+s.rehearsal.SaleId.String()+"/orders", s.rehearsal.SkuIds[0], s.fake
		}
		var o struct{ ID, Status string }
		s.must(201, "POST", path, token, fmt.Sprintf(`{"lines":[{"sku_id":"%s","quantity":1}]}`, sku), &o)
		var p struct {
			PayURL string `json:"pay_url"`
		}
		s.must(201, "POST", "/v1/orders/"+o.ID+"/payments", token, "", &p)
		at := strings.TrimPrefix(p.PayURL, s.at.Public)
		status, text := s.ask("POST", at+"/control", keys[one.who], `{"settle":"paid"}`)
		if status != one.want {
			t.Errorf("%s, a rehearsal's %t: %d %s", one.who, one.rehearsal, status, text)
		}
		if one.want == 204 {
			s.becomes(o.ID, "paid")
			continue
		}
		guess, err := http.Post(s.at.Public+"/sandbox/pay/"+o.ID, "application/x-www-form-urlencoded", strings.NewReader("action=pay"))
		noError(t, err)
		_, _ = io.Copy(io.Discard, guess.Body)
		noError(t, guess.Body.Close())
		if guess.StatusCode != 404 {
			t.Errorf("a guessed cashier: %d", guess.StatusCode)
		}
		s.must(200, "GET", "/v1/admin/orders/"+o.ID, s.app.localKey, "", &o)
		if o.Status != "pending" {
			t.Errorf("%s settled an order", one.who)
		}
		s.must(200, "POST", "/v1/orders/"+o.ID+"/cancel", token, "", nil)
	}
}

package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/inventory"
)

// asks sends a request with a token and a JSON body, and returns the status and the body.
func (s *pageShop) asks(token, method, path, key, body string) (int, string) {
	s.Helper()
	r := httptest.NewRequestWithContext(s.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	s.app.handler.ServeHTTP(w, r)
	said, err := io.ReadAll(w.Body)
	noError(s.T, err)
	return w.Code, string(said)
}

// TestAProductOfALiveSale: it cannot be deleted, or stop being sold in any other way, before its item is stopped; after that nobody can buy
// it anywhere, and who had ordered it can pay.
func TestAProductOfALiveSale(t *testing.T) {
	s := newPageShop(t)
	who, cookie := s.shopper("buyer")
	token := strings.TrimPrefix(cookie, "tg_access=")
	admin := s.app.localKey
	_, err := s.app.stock.Adjust(t.Context(), inventory.Adjustment{SKU: s.sku, Kind: inventory.Receive, Units: 5, Reason: "test", Actor: "test", Key: "general"})
	noError(t, err)
	found, err := s.app.reader.ProductByHandle(t.Context(), "mug")
	noError(t, err)
	var product struct {
		ID      string
		Version int64
	}
	noError(t, json.Unmarshal(found.Body, &product))
	at := "/v1/admin/products/" + product.ID
	body := fmt.Sprintf(`{"lines":[{"sku_id":"%s","quantity":1}]}`, s.sku)
	bought := s.buy(who)

	put := func(body string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, at, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+admin)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("If-Match", fmt.Sprintf(`"%d"`, product.Version))
		w := httptest.NewRecorder()
		s.app.handler.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	csv := "handle,title,status,sku,price\nmug,Mug,draft,MUG,10.00\n"
	upload := func() (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/admin/products/import", strings.NewReader(csv))
		r.Header.Set("Authorization", "Bearer "+admin)
		r.Header.Set("Content-Type", "text/csv")
		w := httptest.NewRecorder()
		s.app.handler.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	for way, stop := range map[string]func() (int, string){
		"deleted": func() (int, string) { return s.asks(admin, "DELETE", at, "", "") },
		"made a draft": func() (int, string) {
			return put(`{"title":"Mug","handle":"mug","status":"draft","variants":[{"sku":"MUG","price":{"minor":1000,"currency":"GBP"}}]}`)
		},
		"given a new code": func() (int, string) {
			return put(`{"title":"Mug","handle":"mug","status":"published","variants":[{"sku":"CUP","price":{"minor":1000,"currency":"GBP"}}]}`)
		},
		"made a draft by a file": upload,
	} {
		status, said := stop()
		if !strings.Contains(said, "Drop") || !strings.Contains(said, s.sale.String()) || status != http.StatusConflict && way != "made a draft by a file" {
			t.Errorf("%s: answered %d %s", way, status, said)
		}
	}
	if status, said := s.asks(token, "POST", "/v1/sales/"+s.sale.String()+"/orders", "goes-on", body); status != http.StatusCreated {
		t.Errorf("the sale goes on: answered %d %s", status, said)
	}

	stopped := "/v1/admin/sales/" + s.sale.String() + "/items/" + s.sku.String() + "/stop"
	if status, said := s.asks(admin, "POST", stopped, "", `{"reason":"recalled"}`); status != http.StatusOK || !strings.Contains(said, `"stopped":true`) {
		t.Errorf("stopping the item: answered %d %s", status, said)
	}
	if status, said := s.asks(admin, "DELETE", at, "", ""); status != http.StatusNoContent {
		t.Errorf("deleting it then: answered %d %s", status, said)
	}
	for _, place := range []string{"/v1/sales/" + s.sale.String() + "/orders", "/v1/orders"} {
		if status, said := s.asks(token, "POST", place, "after", body); status != http.StatusUnprocessableEntity || !strings.Contains(said, "not_in_sale") {
			t.Errorf("%s: answered %d %s", place, status, said)
		}
	}
	if status, said := s.asks(token, "POST", "/v1"+bought+"/payments", "", ""); status != http.StatusCreated {
		t.Errorf("paying what was bought: answered %d %s", status, said)
	}
	if status, said := s.asks(admin, "POST", "/v1/admin/audit", "", ""); status != http.StatusOK || !strings.Contains(said, `"ok":true`) {
		t.Errorf("the audit: %d %s", status, said)
	}
}

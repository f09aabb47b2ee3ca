package drill

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestLeft: what is available is added up without the rest of the sale, and its texts are no fields. What is no sale, or not known, is not sold out.
func TestLeft(t *testing.T) {
	for _, c := range []struct {
		answer string
		left   int64
		err    error
	}{
		{`{"title":"a \"available\":7","items":[{"sku_id":"1","allocation":50,"available":40,"list":1},{"allocation":9,"available":0},{"sku_id":"3","allocation":9,"available":2}]}`, 42, nil},
		{`{"items":[{"sku_id":"1","allocation":9,"available":0}]}`, 0, nil},
		{`{"items":[{"sku_id":"1","allocation":9}]}`, 0, errNotKnown},
		{`{"items":[{"sku_id":"1","allocation":9,"available":4},{"sku_id":"2","allocation":9}]}`, 0, errNotKnown},
		{"", 0, errNotOurs},
		{"<html>A proxy's page</html>", 0, errNotOurs},
	} {
		shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(c.answer)) }))
		client := newClient(Address{Public: shop.URL})
		if left, err := client.left(t.Context(), 9); left != c.left || !errors.Is(err, c.err) {
			t.Errorf("%q: %d, %v", c.answer, left, err)
		}
		client.close()
		shop.Close()
	}
}

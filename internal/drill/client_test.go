package drill

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestLeft: what is available is added up without the rest of the sale, and its texts are no fields.
func TestLeft(t *testing.T) {
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"title":"a \"available\":7","items":[{"sku_id":"1","available":40,"list":1},{"available":0},{"sku_id":"3","available":2}]}`))
	}))
	defer shop.Close()
	c := newClient(Address{Public: shop.URL})
	defer c.close()
	if left, err := c.left(t.Context(), 9); left != 42 || err != nil {
		t.Errorf("got %d, %v", left, err)
	}
}

package adminclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// AdjustStock receives or corrects units of a SKU in general stock, once for its key, and returns the general pool as it is
// afterwards.
func (c *Client) AdjustStock(ctx context.Context, sku id.SKU, key string, in api.AdjustmentInput) (pool api.Pool, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return pool, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/v1/admin/stock/"+sku.String()+"/adjustments", bytes.NewReader(body))
	if err != nil {
		return pool, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	answer, err := c.send(r)
	if err != nil {
		return pool, err
	}
	defer func() { _ = answer.Body.Close() }()
	if err := json.NewDecoder(answer.Body).Decode(&pool); err != nil {
		return pool, fmt.Errorf("the shop's answer cannot be read: %w", err)
	}
	return pool, nil
}

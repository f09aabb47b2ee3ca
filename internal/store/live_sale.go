package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// SaleStock returns the pools of a sale, by SKU.
func (s *Store) SaleStock(ctx context.Context, sl id.Sale) ([]inventory.Stock, error) {
	rows, err := s.query(ctx, `
		SELECT sku_id, on_hand, reserved, sold
		FROM stock
		WHERE sale_id = ?
		ORDER BY sku_id`, sl)
	return collect(rows, err, func(r *sql.Rows) (st inventory.Stock, err error) {
		st.Sale = sl
		return st, r.Scan(&st.SKU, &st.OnHand, &st.Reserved, &st.Sold)
	})
}

// SaleDue returns the number of pending orders of a sale, and how many of them expire before the given time. It reads
// the index of pending orders of all sales, whose size is the number of shoppers who are about to pay.
func (s *Store) SaleDue(ctx context.Context, sl id.Sale, before time.Time) (pending, due int64, err error) {
	err = s.queryRow(ctx, `
		SELECT COUNT(*), COALESCE(SUM(CASE WHEN expires_at < ? THEN 1 ELSE 0 END), 0)
		FROM orders
		WHERE status = 'pending'
		  AND sale_id = ?`, []any{millis(before), sl}, &pending, &due)
	return pending, due, err
}

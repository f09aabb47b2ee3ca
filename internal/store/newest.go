package store

import "context"

// NewestID returns the largest id of any row, or zero. A mint that starts after it never repeats an id, even if the
// clock was set back.
func (s *Store) NewestID(ctx context.Context) (int64, error) {
	var newest int64
	err := s.queryRow(ctx, `
		SELECT COALESCE(MAX(id), 0)
		FROM (
			SELECT MAX(id) AS id FROM movement
			UNION ALL SELECT MAX(id) FROM orders
			UNION ALL SELECT MAX(id) FROM sale
			UNION ALL SELECT MAX(id) FROM payment_attempt
			UNION ALL SELECT MAX(id) FROM refund
			UNION ALL SELECT MAX(id) FROM sandbox_notification
			UNION ALL SELECT MAX(id) FROM webhook_endpoint
			UNION ALL SELECT MAX(id) FROM customer
			UNION ALL SELECT MAX(id) FROM session
			UNION ALL SELECT MAX(id) FROM admin_key
			UNION ALL SELECT MAX(id) FROM product
			UNION ALL SELECT MAX(id) FROM sku
			UNION ALL SELECT MAX(id) FROM category
			UNION ALL SELECT MAX(id) FROM brand
		) AS newest`, nil, &newest)
	return newest, err
}

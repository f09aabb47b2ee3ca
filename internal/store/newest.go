package store

import "context"

// NewestID returns the largest id that was minted for any row; zero where there is none. A mint that goes on after it never
// gives out an id twice, whatever has happened to the clock.
func (s *Store) NewestID(ctx context.Context) (int64, error) {
	var newest int64
	err := s.queryRow(ctx, `
		SELECT MAX(
			COALESCE((SELECT MAX(id) FROM movement), 0),
			COALESCE((SELECT MAX(id) FROM orders), 0),
			COALESCE((SELECT MAX(id) FROM sale), 0),
			COALESCE((SELECT MAX(id) FROM payment_attempt), 0),
			COALESCE((SELECT MAX(id) FROM refund), 0),
			COALESCE((SELECT MAX(id) FROM sandbox_notification), 0),
			COALESCE((SELECT MAX(id) FROM webhook_endpoint), 0),
			COALESCE((SELECT MAX(id) FROM customer), 0),
			COALESCE((SELECT MAX(id) FROM session), 0),
			COALESCE((SELECT MAX(id) FROM admin_key), 0),
			COALESCE((SELECT MAX(id) FROM product), 0),
			COALESCE((SELECT MAX(id) FROM sku), 0),
			COALESCE((SELECT MAX(id) FROM category), 0),
			COALESCE((SELECT MAX(id) FROM brand), 0)
		)`, nil, &newest)
	return newest, err
}

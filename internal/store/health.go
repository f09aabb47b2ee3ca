package store

import "context"

// Writable commits a small transaction, so that a disk that is full or gone is noticed before a shopper meets it. It
// returns fault.StoreFull, fault.StoreUnavailable or fault.TimedOut.
func (s *Store) Writable(ctx context.Context) error {
	if s.my != nil {
		// A write of nothing: what every transaction leaves behind is written all the same.
		return s.write(ctx, jobs, func(tx *Tx) error { return tx.my.mark() })
	}
	return s.write(ctx, jobs, func(tx *Tx) error {
		// The header's user version is nobody's otherwise; setting it writes a page even where the value stays the same.
		_, err := tx.Exec("PRAGMA user_version = 1")
		return err
	})
}

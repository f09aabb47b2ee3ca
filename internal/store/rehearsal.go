package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/rehearsal"
	"github.com/tidegate/tidegate/internal/store/engine"
)

const rehearsalColumns = `first_customer_id, sale_id, title, skus, units, price, currency, limit_per_customer, payment_ms, starts_at, ends_at, shoppers, created_at`

// ReserveRehearsal reserves the title and the next block of customers. Blocks are assigned in ascending order and never
// overlap. It returns fault.Conflict and fault.Invalid.
func (s *Store) ReserveRehearsal(ctx context.Context, r rehearsal.Rehearsal) (id.Customer, error) {
	var first id.Customer
	err := s.write(ctx, jobs, func(tx *Tx) error {
		r := r // after a concurrent reservation, retry with another block and title
		err := tx.QueryRow(`
			SELECT COALESCE(MAX(first_customer_id + shoppers), ?)
			FROM rehearsal`, []any{id.NeverMintedFirst}, &r.First)
		first = r.First
		if err != nil {
			return err
		}
		if int64(r.First)+int64(r.Shoppers) > id.NeverMintedEnd {
			return fault.Bad("shoppers", "There are not as many customers left for rehearsals.")
		}
		given := r.Title != "" // for a generated title, a conflict is retried instead of returned
		if !given {
			r.Title = rehearsal.DefaultTitle(r.First)
		}
		_, err = tx.Exec(`
			INSERT INTO rehearsal (`+rehearsalColumns+`)
			VALUES (`+placeholders(13)+`)`,
			r.First, nil, r.Title, r.SKUs, r.Units, r.Price.Minor, string(r.Price.Currency), r.Limit, r.Payment.Milliseconds(), millis(r.StartsAt), millis(r.EndsAt), r.Shoppers, millis(r.CreatedAt))
		if given && tx.refusedBy(engine.Unique, err) && !tx.s.engine.OnPrimary(err) {
			f := fault.New(fault.Conflict, "There is a rehearsal called %q already, and rehearsals are never deleted: give this one another title.", r.Title)
			f.Field = "title"
			return f
		}
		return err
	})
	return first, err
}

// OpenRehearsal records the sale of the block's rehearsal.
func (s *Store) OpenRehearsal(ctx context.Context, first id.Customer, sl id.Sale) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(`
			UPDATE rehearsal
			SET sale_id = ?
			WHERE first_customer_id = ?`, sl, first)
		return err
	})
}

// DropRehearsal frees the title of a rehearsal that has no sale. Its block is not reused, because products named after
// its number may exist. A rehearsal with a sale is not changed.
func (s *Store) DropRehearsal(ctx context.Context, first id.Customer) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(`
			UPDATE rehearsal
			SET title = ?
			WHERE first_customer_id = ?
			  AND sale_id IS NULL`, rehearsal.DefaultTitle(first)+", not made", first)
		return err
	})
}

func scanRehearsal(row scanner) (r rehearsal.Rehearsal, err error) {
	var payment, starts, ends, created int64
	err = row.Scan(&r.First, &r.Sale, &r.Title, &r.SKUs, &r.Units, &r.Price.Minor, &r.Price.Currency, &r.Limit, &payment, &starts, &ends, &r.Shoppers, &created)
	r.Payment = time.Duration(payment) * time.Millisecond
	r.StartsAt, r.EndsAt, r.CreatedAt = fromMillis(starts), fromMillis(ends), fromMillis(created)
	return r, err
}

// Rehearsal returns the rehearsal of a sale. It returns fault.NotFound.
func (s *Store) Rehearsal(ctx context.Context, sl id.Sale) (rehearsal.Rehearsal, error) {
	found, err := scanRehearsal(s.row(ctx, `
		SELECT `+rehearsalColumns+`
		FROM rehearsal
		WHERE sale_id = ?`, sl))
	return found, notFound(readError(err), "rehearsal", sl)
}

// Rehearsals lists rehearsals, newest first. If before is not zero, it lists only older ones.
func (s *Store) Rehearsals(ctx context.Context, before id.Sale, limit int) ([]rehearsal.Rehearsal, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	rows, err := s.query(ctx, `
		SELECT `+rehearsalColumns+`
		FROM rehearsal
		WHERE sale_id < ?
		ORDER BY sale_id DESC
		LIMIT ?`, before, limit)
	return collect(rows, err, func(rows *sql.Rows) (rehearsal.Rehearsal, error) { return scanRehearsal(rows) })
}

// RehearsalOrders returns a sale's orders in the order of their unique key, after the given customer and key.
func (s *Store) RehearsalOrders(ctx context.Context, sl id.Sale, after id.Customer, key string, limit int) ([]rehearsal.KeyedOrder, error) {
	rows, err := s.query(ctx, `
		SELECT `+orderColumns+`, idem_key
		FROM orders
		WHERE sale_id = ?
		  AND customer_id >= ?
		  AND (customer_id > ? OR idem_key > ?)
		ORDER BY customer_id, idem_key
		LIMIT ?`, sl, after, after, key, limit)
	return collect(rows, err, func(rows *sql.Rows) (k rehearsal.KeyedOrder, err error) {
		k.Order, err = scanOrder(rows, &k.Key)
		return k, err
	})
}

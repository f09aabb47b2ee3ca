package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/rehearsal"
)

const rehearsalColumns = `first_customer_id, sale_id, title, skus, units, price, currency, limit_per_customer, payment_ms, starts_at, ends_at, shoppers, created_at`

// ReserveRehearsal takes the title and the next block of customers. Blocks are given out from the lowest id on and follow
// each other, so that no two have a customer in common. It returns fault.Conflict and fault.Invalid.
func (s *Store) ReserveRehearsal(ctx context.Context, r rehearsal.Rehearsal) (id.Customer, error) {
	var first id.Customer
	err := s.write(ctx, jobs, func(tx *Tx) error {
		r := r // two that reserve at once are tried again, with another block and another title
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
		if r.Title == "" {
			r.Title = rehearsal.DefaultTitle(r.First)
		}
		_, err = tx.Exec(`
			INSERT INTO rehearsal (`+rehearsalColumns+`)
			VALUES (`+marks(13)+`)`,
			r.First, nil, r.Title, r.SKUs, r.Units, r.Price.Minor, string(r.Price.Currency), r.Limit, r.Payment.Milliseconds(), millis(r.StartsAt), millis(r.EndsAt), r.Shoppers, millis(r.CreatedAt))
		if tx.dialect().unique(err) && !tx.dialect().onPrimary(err) {
			f := fault.New(fault.Conflict, "There is a rehearsal called %q already, and rehearsals are never deleted: give this one another title.", r.Title)
			f.Field = "title"
			return f
		}
		return err
	})
	return first, err
}

// OpenRehearsal says which sale the rehearsal of the block has.
func (s *Store) OpenRehearsal(ctx context.Context, first id.Customer, sl id.Sale) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		_, err := tx.Exec(`
			UPDATE rehearsal
			SET sale_id = ?
			WHERE first_customer_id = ?`, sl, first)
		return err
	})
}

// DropRehearsal gives the title of a rehearsal that got no sale free again. Its block is not given out a second time: the
// products that were made for it bear its number. One that has a sale stays as it is.
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
	r.StartsAt, r.EndsAt, r.CreatedAt = moment(starts), moment(ends), moment(created)
	return r, err
}

// Rehearsal reads one by its sale. It returns fault.NotFound.
func (s *Store) Rehearsal(ctx context.Context, sl id.Sale) (rehearsal.Rehearsal, error) {
	found, err := scanRehearsal(s.row(ctx, `
		SELECT `+rehearsalColumns+`
		FROM rehearsal
		WHERE sale_id = ?`, sl))
	return found, none(readError(err), "rehearsal", sl)
}

// Rehearsals lists them, newest first, older than before where that is not zero.
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

// RehearsalOrders reads a sale's orders along their unique key, those after the given customer and key.
func (s *Store) RehearsalOrders(ctx context.Context, sl id.Sale, after id.Customer, key string, limit int) ([]rehearsal.Keyed, error) {
	rows, err := s.query(ctx, `
		SELECT `+orderColumns+`, idem_key
		FROM orders
		WHERE sale_id = ?
		  AND customer_id >= ?
		  AND (customer_id > ? OR idem_key > ?)
		ORDER BY customer_id, idem_key
		LIMIT ?`, sl, after, after, key, limit)
	return collect(rows, err, func(rows *sql.Rows) (k rehearsal.Keyed, err error) {
		k.Order, err = scanOrder(rows, &k.Key)
		return k, err
	})
}

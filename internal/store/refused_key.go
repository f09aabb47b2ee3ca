package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// A refusal of a key is final when no process can commit an earlier request under that key. A refusing transaction
// writes the refusal, commits, and only then looks for an order of the key; it waits for running inserts. A batch
// inserts its orders and only then looks for refusals. So at least one of the two sees the other: docs/adr/0037.

// RefuseKeys implements order.Store.
func (s *Store) RefuseKeys(ctx context.Context, claims []*inventory.Claim) (fence int64, outcomes []order.Outcome, err error) {
	err = s.write(ctx, jobs, func(tx *Tx) error {
		fence, err = tx.refuseKeys(claims)
		return err
	})
	if err == nil {
		outcomes, err = s.probe(ctx, claims)
	}
	return fence, outcomes, err
}

func (tx *Tx) refuseKeys(claims []*inventory.Claim) (fence int64, err error) {
	if _, err := tx.Exec("UPDATE refusal_fence SET newest = newest + 1 WHERE id = 1"); err != nil {
		return 0, err
	}
	if err := tx.QueryRow("SELECT newest FROM refusal_fence WHERE id = 1", nil, &fence); err != nil {
		return 0, err
	}
	row := "(?, ?, ?, ?, " + tx.sql(clockMillis) + ")"
	args := make([]any, 0, 4*len(claims))
	for _, c := range sortedByKey(claims) { // each key once
		args = append(args, c.Sale, c.Customer, c.Key, fence)
	}
	_, err = tx.Exec(`
		INSERT INTO refused_key (sale_id, customer_id, idem_key, fence, at)
		VALUES `+row+strings.Repeat(", "+row, len(args)/4-1)+tx.sql(refuseAgain), args...)
	return fence, err
}

// refuseAgain ends the INSERT of refusals when some keys were refused before.
var refuseAgain = sqls{
	sqlite: `
		ON CONFLICT (sale_id, customer_id, idem_key) DO UPDATE
		SET fence = excluded.fence,
		    at = excluded.at`,
	mysql: `
		ON DUPLICATE KEY UPDATE fence = VALUES(fence), at = VALUES(at)`,
	postgres: `
		ON CONFLICT (sale_id, customer_id, idem_key) DO UPDATE
		SET fence = excluded.fence,
		    at = excluded.at`,
}

// sortedByKey returns the claims sorted by key, without duplicate keys.
func sortedByKey(claims []*inventory.Claim) []*inventory.Claim {
	byKey := func(x, y *inventory.Claim) int {
		return cmp.Or(cmp.Compare(x.Sale, y.Sale), cmp.Compare(x.Customer, y.Customer), cmp.Compare(x.Key, y.Key))
	}
	sorted := slices.SortedStableFunc(slices.Values(claims), byKey)
	return slices.CompactFunc(sorted, func(x, y *inventory.Claim) bool { return byKey(x, y) == 0 })
}

// Probe implements order.Store.
func (s *Store) Probe(ctx context.Context, c *inventory.Claim) (order.Outcome, error) {
	outcomes, err := s.probe(ctx, []*inventory.Claim{c})
	if err != nil {
		return order.Outcome{}, err
	}
	return outcomes[0], nil
}

// errProbed rolls back a probe.
var errProbed = errors.New("a probe is undone")

// probe returns for each claim whether its key has an order. It inserts a row with the key and rolls back, so it waits
// for any transaction that is inserting the key; locking reads do not wait on every engine. On SQLite no other
// transaction writes.
func (s *Store) probe(ctx context.Context, claims []*inventory.Claim) (outcomes []order.Outcome, err error) {
	err = s.write(ctx, jobs, func(tx *Tx) error {
		outcomes = make([]order.Outcome, len(claims))
		if tx.s.Shared() {
			free, err := tx.insertProbes(sortedByKey(claims))
			if err != nil {
				return err
			}
			if free {
				for i := range outcomes {
					outcomes[i].Result = order.Declined
				}
				return errProbed
			}
		}
		for i, c := range claims {
			if outcomes[i], err = tx.orderOfKey(c); err != nil {
				return err
			}
		}
		return errProbed
	})
	if errors.Is(err, errProbed) {
		err = nil
	}
	return outcomes, err
}

const probePlaces = "(?, ?, ?, ?, '', 'pending', '[]', 1, 0, '', 0, 0)"

// insertProbes inserts rows with the keys of the claims and waits for running inserts of them. If all succeed, it
// returns true: no key has an order.
func (tx *Tx) insertProbes(claims []*inventory.Claim) (free bool, err error) {
	var args, ids []any
	for _, c := range claims {
		args, ids = append(args, c.Order, c.Sale, c.Customer, c.Key), append(ids, c.Order)
	}
	_, err = tx.Exec(`
		INSERT INTO orders (id, sale_id, customer_id, idem_key, body_hash, status, "lines", units, total, currency, created_at, expires_at)
		VALUES `+probePlaces+strings.Repeat(", "+probePlaces, len(claims)-1)+tx.orNothing("orders", "sale_id, customer_id, idem_key"), args...)
	if err != nil {
		return false, err
	}
	var in int
	err = tx.QueryRow("SELECT COUNT(*) FROM orders WHERE id IN ("+placeholders(len(ids))+") AND body_hash = ''", ids, &in)
	return in == len(claims), err
}

// orderOfKey returns the order of a claim's key.
func (tx *Tx) orderOfKey(c *inventory.Claim) (order.Outcome, error) {
	found, digest, err := scanKeyed(tx.row(orderByKey, c.Sale, c.Customer, c.Key))
	switch {
	case errors.Is(err, fault.NotFound), err == nil && found.ExpiresAt.IsZero():
		return order.Outcome{Result: order.Declined}, nil // a row of this probe is no order
	case err != nil:
		return order.Outcome{}, err
	case digest != c.Body:
		return order.Outcome{Result: order.KeyReused, Existing: &found}, nil
	}
	return order.Outcome{Result: order.Replayed, Existing: &found}, nil
}

// RefusalFence implements order.Store.
func (s *Store) RefusalFence(ctx context.Context) (newest int64, err error) {
	err = s.queryRow(ctx, "SELECT newest FROM refusal_fence WHERE id = 1", nil, &newest)
	return newest, err
}

// fenceable reports whether another process may refuse the draft's key. It may not if a single process sells, with its
// gate in memory.
func fenceable(d *order.Draft) bool { return d.Claim.Deadline != 0 || d.Claim.Queued }

// readFences finds the drafts whose keys were refused after their request. It reports whether there are any.
func (b *batch) readFences() (some bool, err error) {
	b.fenced = nil
	if err := b.fenceEpochs(); err != nil {
		return false, err
	}
	err = b.fenceRefusedKeys()
	return len(b.fenced) > 0, err
}

func (b *batch) fenceRefusedKeys() error {
	var sales []id.Sale
	var customers []id.Customer
	for _, d := range b.drafts {
		if fenceable(d) && d.Claim.Fence < b.fence {
			sales, customers = append(sales, d.Claim.Sale), append(customers, d.Claim.Customer)
		}
	}
	if len(sales) == 0 {
		return nil
	}
	inSales, args := inListSorted(sales)
	inCustomers, more := inListSorted(customers)
	rows, err := b.tx.Query(`
		SELECT sale_id, customer_id, idem_key, fence
		FROM refused_key
		WHERE sale_id IN (`+inSales+`)
		  AND customer_id IN (`+inCustomers+`)`, append(args, more...)...)
	type refused struct {
		key   claimed
		fence int64
	}
	all, err := collect(rows, err, func(rows *sql.Rows) (r refused, err error) {
		return r, rows.Scan(&r.key.sale, &r.key.customer, &r.key.key, &r.fence)
	})
	if err != nil {
		return err
	}
	fences := map[claimed]int64{}
	for _, r := range all {
		fences[r.key] = r.fence
	}
	for _, d := range b.drafts {
		if fenceable(d) && fences[claimed{d.Claim.Sale, d.Claim.Customer, d.Claim.Key}] > d.Claim.Fence {
			b.fenceOff(d)
		}
	}
	return nil
}

// claimed is the key of a claim, for use in maps.
type claimed struct {
	sale     id.Sale
	customer id.Customer
	key      string
}

// refusedKeysKept is how long the refusal of a key is kept. It equals the lifetime of a ticket and exceeds that of any
// draft.
const refusedKeysKept = 48 * time.Hour

var forgetRefusedKeys = sqls{
	mysql: `
		DELETE FROM refused_key
		WHERE at < ` + clockMillis.mysql + ` - ?
		ORDER BY at
		LIMIT ?`,
	postgres: `
		DELETE FROM refused_key
		WHERE (sale_id, customer_id, idem_key) IN (
			SELECT sale_id, customer_id, idem_key
			FROM refused_key
			WHERE at < ` + clockMillis.postgres + ` - ?
			ORDER BY at
			LIMIT ?)`,
}

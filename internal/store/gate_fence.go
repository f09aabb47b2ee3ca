package store

import (
	"context"
	"database/sql"
	"slices"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// A rebuilt shared gate refuses orders by its own content, so no order may be committed that it does not know and that
// no event will bring. A batch compares the epochs of its drafts with the database's while it holds its pools. A
// rebuild begins its epoch and then waits once for every pool. So either the batch has ended when the gate is opened,
// or it sees the new epoch and holds the epoch's row until it commits; the opening waits for that: docs/adr/0040.

// fenceEpochs fences drafts whose epoch is not the last one that was opened, and drafts without a reservation while that
// epoch is open. It runs no statement if every draft has the newest epoch.
func (b *batch) fenceEpochs() error {
	if !slices.ContainsFunc(b.drafts, func(d *order.Draft) bool { return d.Claim.Epoch != 0 && (d.Claim.Bypassed || d.Claim.Epoch != b.epoch) }) {
		return nil
	}
	var opened, ready int64
	err := b.tx.QueryRow("SELECT opened, ready FROM gate_epoch WHERE id = 1"+b.tx.sql(forUpdate), nil, &opened, &ready)
	if err != nil {
		return err
	}
	for _, d := range b.drafts {
		if c := &d.Claim; c.Epoch != 0 && (c.Epoch != opened || c.Bypassed && ready != 0) {
			b.fenceOff(d)
		}
	}
	return nil
}

// fenceOff marks a draft that must not be committed.
func (b *batch) fenceOff(d *order.Draft) {
	if b.fenced == nil {
		b.fenced = map[id.Order]bool{}
	}
	b.fenced[d.Order.ID] = true
}

// passedAtOnce bounds the pools that AwaitBatches locks together, so that it delays a batch of orders no longer than
// another batch would.
const passedAtOnce = 256

// AwaitBatches implements inventory.SharedStore. It locks and releases each pool of which orders can be placed. On
// SQLite, where batches run one at a time, the preceding write already waits for them.
func (s *Store) AwaitBatches(ctx context.Context) error {
	if !s.Shared() {
		return nil
	}
	rows, err := s.query(ctx, `
		WITH places (sale_id) AS (
			SELECT 0
			UNION ALL
			SELECT id FROM sale WHERE status <> 'ended'
		)
		SELECT st.sale_id, st.sku_id
		FROM places`+s.sql(crossJoin)+`stock AS st
		WHERE st.sale_id = places.sale_id`)
	pools, err := collect(rows, err, func(rows *sql.Rows) (q inventory.Quantity, err error) { return q, rows.Scan(&q.Sale, &q.SKU) })
	if err != nil {
		return err
	}
	pools = byPool(pools)
	for len(pools) > 0 {
		part := pools[:min(len(pools), passedAtOnce)]
		pools = pools[len(part):]
		if err := s.write(ctx, jobs, func(tx *Tx) error { return tx.holdPools(part) }); err != nil {
			return err
		}
	}
	return nil
}

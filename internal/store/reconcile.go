package store

import (
	"context"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/store/engine"
)

// repairsMax bounds the rows of one repair transaction, so that orders do not wait long behind it.
const repairsMax = 500

// RepairStock adds the deltas to the rows of their pools, at most repairsMax in a transaction. It returns
// fault.Conflict if a row would become invalid; the transactions before that one stay committed.
func (s *Store) RepairStock(ctx context.Context, repairs []audit.Repair) error {
	for len(repairs) > 0 {
		n := min(len(repairs), repairsMax)
		if err := s.write(ctx, jobs, func(tx *Tx) error { return tx.repairStock(repairs[:n]) }); err != nil {
			return err
		}
		repairs = repairs[n:]
	}
	return nil
}

func (tx *Tx) repairStock(repairs []audit.Repair) error {
	repairs = slices.SortedFunc(slices.Values(repairs), func(x, y audit.Repair) int { return comparePools(x.Pool, y.Pool) })
	for _, r := range repairs {
		if err := tx.createPool(r.Pool, time.Now()); err != nil {
			return err
		}
		_, err := tx.Exec(`
			UPDATE `+tx.sql(stockByKey)+`
			SET on_hand = on_hand + ?,
			    reserved = reserved + ?,
			    sold = sold + ?
			WHERE sale_id = ?
			  AND sku_id = ?`, r.Delta.OnHand, r.Delta.Reserved, r.Delta.Sold, r.Pool.Sale, r.Pool.SKU)
		if tx.refusedBy(engine.Check, err) {
			return fault.Wrap(fault.Conflict, err, "The stock of SKU %s in sale %s cannot be repaired: the row would be impossible.", r.Pool.SKU, r.Pool.Sale)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

package store

import (
	"context"

	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// repairsMax bounds the rows of one transaction of a repair, so that a shopper's order does not wait long behind it.
const repairsMax = 500

// RepairStock adds the deltas to the rows of their pools, repairsMax in a transaction. It returns fault.Conflict where a
// row would become one that cannot be; the rows of the transactions before it are repaired then.
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
	for _, r := range repairs {
		if _, err := tx.Exec(createStock, r.Pool.Sale, r.Pool.SKU); err != nil {
			return err
		}
		_, err := tx.Exec(`
			UPDATE stock
			SET on_hand = on_hand + ?,
			    reserved = reserved + ?,
			    sold = sold + ?
			WHERE sale_id = ?
			  AND sku_id = ?`, r.Delta.OnHand, r.Delta.Reserved, r.Delta.Sold, r.Pool.Sale, r.Pool.SKU)
		if tx.dialect().check(err) {
			return fault.Wrap(fault.Conflict, err, "The stock of SKU %s in sale %s cannot be repaired: the row would be impossible.", r.Pool.SKU, r.Pool.Sale)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

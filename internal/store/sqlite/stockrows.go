package sqlite

import (
	"database/sql"
	"errors"

	"github.com/tidegate/tidegate/internal/inventory"
)

// stockRowsMax bounds the cached rows of pools, about 50 bytes each. It exceeds the pools of one evening's sales.
const stockRowsMax = 100_000

// StockRows returns the row numbers of pools, zero for a missing pool. A pool keeps its row, so each is looked up once.
// A failed reservation evicts the cached number.
func (tx *Tx) StockRows(pools []inventory.Quantity) ([]int64, error) {
	known := tx.w.stockRows
	rows := make([]int64, len(pools))
	for i := range pools {
		p := pools[i].Pool
		if rows[i] = known[p]; rows[i] != 0 {
			continue
		}
		err := tx.Row(`
			SELECT id
			FROM stock
			WHERE sale_id = ?
			  AND sku_id = ?`, p.Sale, p.SKU).Scan(&rows[i])
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(known) >= stockRowsMax {
			clear(known)
		}
		known[p] = rows[i]
	}
	return rows, nil
}

// ForgetStockRow evicts a pool's cached row number. The next call looks it up again.
func (tx *Tx) ForgetStockRow(p inventory.Pool) { delete(tx.w.stockRows, p) }

-- +goose Up

-- What the orders of one commit reserve in several pools is one row: pools lists them as [[sale, SKU, units], ...], the row's
-- units are their sum, its sale_id and sku_id zero. NULL: the row is of the one pool that it names, as all are from before.
ALTER TABLE movement ADD COLUMN pools TEXT;

-- +goose Down

-- Rows that list pools name none otherwise: without the column the ledger would be lost. Where there is one it is inserted
-- again, which its key refuses, and the column stays.
INSERT INTO movement (id, sale_id, sku_id, kind, units, order_id, actor, reason, at)
SELECT id, sale_id, sku_id, kind, units, order_id, actor, reason, at
FROM movement
WHERE pools IS NOT NULL
LIMIT 1;

ALTER TABLE movement DROP COLUMN pools;

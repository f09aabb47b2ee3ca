-- +goose Up

-- A pool that is closed sells nothing: an order's commit asks for it where it takes the units. closed_at says since when; 0: it is open. The
-- general pool of a SKU is closed while the catalogue does not sell the SKU, the pool of a sale where the item was stopped.
ALTER TABLE stock ADD COLUMN closed_at INTEGER NOT NULL DEFAULT 0 CHECK (closed_at >= 0);

UPDATE stock
SET closed_at = CAST(strftime('%s', 'now') AS INTEGER) * 1000
WHERE (sale_id = 0 OR sale_id IN (SELECT id FROM sale WHERE status IN ('scheduled', 'live', 'paused')))
  AND sku_id IN (
    SELECT s.id
    FROM sku AS s
    JOIN product AS p ON p.id = s.product_id
    WHERE s.retired = 1 OR p.status <> 'published'
  );

-- +goose Down
ALTER TABLE stock DROP COLUMN closed_at;

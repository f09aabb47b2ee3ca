-- +goose Up

ALTER TABLE stock ADD COLUMN closed_at BIGINT NOT NULL DEFAULT 0 CHECK (closed_at >= 0);

UPDATE stock
SET closed_at = UNIX_TIMESTAMP() * 1000
WHERE (sale_id = 0 OR sale_id IN (SELECT id FROM sale WHERE status IN ('scheduled', 'live', 'paused')))
  AND sku_id IN (
    SELECT s.id
    FROM sku AS s
    JOIN product AS p ON p.id = s.product_id
    WHERE s.retired = 1 OR p.status <> 'published'
  );

-- +goose Down
ALTER TABLE stock DROP COLUMN closed_at;

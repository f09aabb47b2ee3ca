-- +goose Up

-- A row may stand for several events, such as all orders of one commit. It stands at the position of the last of them: it
-- has the positions from position - count + 1 to position. Rows from before stand for one.
ALTER TABLE outbox ADD COLUMN count INTEGER NOT NULL DEFAULT 1 CHECK (count > 0);

-- The orders of one commit reserve in one row for each pool: a reserve of order 0. It is not made by hand, and the hot insert
-- keeps its one index.
DROP INDEX movement_by_hand;
CREATE INDEX movement_by_hand ON movement (sku_id, id) WHERE order_id = 0 AND kind <> 'reserve';

-- +goose Down
DROP INDEX movement_by_hand;
CREATE INDEX movement_by_hand ON movement (sku_id, id) WHERE order_id = 0;
ALTER TABLE outbox DROP COLUMN count;

-- +goose Up

-- A row may stand for several events, such as all orders of one commit. It stands at the position of the last of them: it
-- has the positions from position - count + 1 to position. Rows from before stand for one.
ALTER TABLE outbox ADD COLUMN count INTEGER NOT NULL DEFAULT 1 CHECK (count > 0);

-- For an IN of more than two values SQLite makes a table of its own at every insert, which took a third of an insert's time. The
-- same CHECKs as comparisons, the common value first. What is stored does not change, and for that SQLite's documentation
-- gives this way (https://www.sqlite.org/lang_altertable.html#otheralter). Every connection hears of it by the indexes below.
PRAGMA writable_schema = ON;

UPDATE sqlite_schema
SET sql = REPLACE(sql, 'CHECK (status IN (''pending'', ''paid'', ''fulfilled'', ''expired'', ''cancelled'', ''refunded''))',
	'CHECK (status = ''pending'' OR status = ''paid'' OR status = ''fulfilled'' OR status = ''expired'' OR status = ''cancelled'' OR status = ''refunded'')')
WHERE type = 'table'
  AND name = 'orders';

UPDATE sqlite_schema
SET sql = REPLACE(sql, 'CHECK (kind IN (''receive'', ''adjust'', ''allocate'', ''reserve'', ''release'', ''sell'', ''return''))',
	'CHECK (kind = ''reserve'' OR kind = ''release'' OR kind = ''sell'' OR kind = ''return'' OR kind = ''receive'' OR kind = ''adjust'' OR kind = ''allocate'')')
WHERE type = 'table'
  AND name = 'movement';

PRAGMA writable_schema = OFF;

-- The orders of one commit reserve in one row for each pool: a reserve of order 0. It is not made by hand, and the hot insert
-- keeps its one index.
DROP INDEX movement_by_hand;
CREATE INDEX movement_by_hand ON movement (sku_id, id) WHERE order_id = 0 AND kind <> 'reserve';

-- +goose Down
DROP INDEX movement_by_hand;
CREATE INDEX movement_by_hand ON movement (sku_id, id) WHERE order_id = 0;
ALTER TABLE outbox DROP COLUMN count;

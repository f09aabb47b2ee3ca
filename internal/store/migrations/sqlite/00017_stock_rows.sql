-- +goose Up

-- A row of stock has a number, by which a commit of orders finds it: by its key SQLite searched twice, to find the row and to write it
-- (docs/adr/0035). The pools of a sale lie together, as they did by their key.
ALTER TABLE stock RENAME TO stock_before;
DROP INDEX stock_by_sku;

CREATE TABLE stock (
    id       INTEGER PRIMARY KEY,
    sale_id  INTEGER NOT NULL,
    sku_id   INTEGER NOT NULL,
    on_hand  INTEGER NOT NULL CHECK (on_hand >= 0),
    reserved INTEGER NOT NULL CHECK (reserved >= 0 AND reserved <= on_hand),
    sold     INTEGER NOT NULL CHECK (sold >= 0),
    UNIQUE (sale_id, sku_id)
);

INSERT INTO stock (sale_id, sku_id, on_hand, reserved, sold)
SELECT sale_id, sku_id, on_hand, reserved, sold
FROM stock_before
ORDER BY sale_id, sku_id;

DROP TABLE stock_before;
CREATE INDEX stock_by_sku ON stock (sku_id, sale_id);

-- +goose Down
ALTER TABLE stock RENAME TO stock_before;
DROP INDEX stock_by_sku;

CREATE TABLE stock (
    sale_id  INTEGER NOT NULL,
    sku_id   INTEGER NOT NULL,
    on_hand  INTEGER NOT NULL CHECK (on_hand >= 0),
    reserved INTEGER NOT NULL CHECK (reserved >= 0 AND reserved <= on_hand),
    sold     INTEGER NOT NULL CHECK (sold >= 0),
    PRIMARY KEY (sale_id, sku_id)
) WITHOUT ROWID;

INSERT INTO stock (sale_id, sku_id, on_hand, reserved, sold)
SELECT sale_id, sku_id, on_hand, reserved, sold
FROM stock_before;

DROP TABLE stock_before;
CREATE INDEX stock_by_sku ON stock (sku_id);

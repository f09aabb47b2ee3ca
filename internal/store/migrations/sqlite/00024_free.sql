-- +goose Up

-- A price may be zero.
ALTER TABLE sku RENAME TO sku_before;
DROP INDEX sku_by_product;

CREATE TABLE sku (
    id          INTEGER PRIMARY KEY,
    product_id  INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    code        TEXT    NOT NULL UNIQUE,
    options     TEXT    NOT NULL,
    price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
    currency    TEXT    NOT NULL,
    retired     INTEGER NOT NULL CHECK (retired IN (0, 1))
);

INSERT INTO sku (id, product_id, position, code, options, price_minor, currency, retired)
SELECT id, product_id, position, code, options, price_minor, currency, retired
FROM sku_before
ORDER BY id;

DROP TABLE sku_before;
CREATE INDEX sku_by_product ON sku (product_id, position);

-- +goose Down
ALTER TABLE sku RENAME TO sku_before;
DROP INDEX sku_by_product;

CREATE TABLE sku (
    id          INTEGER PRIMARY KEY,
    product_id  INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    code        TEXT    NOT NULL UNIQUE,
    options     TEXT    NOT NULL,
    price_minor INTEGER NOT NULL CHECK (price_minor > 0),
    currency    TEXT    NOT NULL,
    retired     INTEGER NOT NULL CHECK (retired IN (0, 1))
);

INSERT INTO sku (id, product_id, position, code, options, price_minor, currency, retired)
SELECT id, product_id, position, code, options, price_minor, currency, retired
FROM sku_before
ORDER BY id;

DROP TABLE sku_before;
CREATE INDEX sku_by_product ON sku (product_id, position);

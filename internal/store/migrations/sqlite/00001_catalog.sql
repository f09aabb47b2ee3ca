-- +goose Up

-- Texts compare by bytes. options, attributes and pictures are JSON arrays: they are read and written with their product
-- and never searched.
CREATE TABLE product (
    id          INTEGER PRIMARY KEY,
    handle      TEXT    NOT NULL UNIQUE,
    title       TEXT    NOT NULL,
    description TEXT    NOT NULL,
    status      TEXT    NOT NULL CHECK (status IN ('draft', 'published', 'retired')),
    brand_id    INTEGER NOT NULL,
    options     TEXT    NOT NULL,
    attributes  TEXT    NOT NULL,
    pictures    TEXT    NOT NULL,
    version     INTEGER NOT NULL CHECK (version > 0),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
);

-- The lists: a page is a walk down one of these from the cursor on.
CREATE INDEX product_by_status ON product (status, id);
CREATE INDEX product_by_brand ON product (brand_id, status, id);

-- A variant. Its row and its code stay when it is retired, because stock and orders refer to it for ever.
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

CREATE INDEX sku_by_product ON sku (product_id, position);

CREATE TABLE category (
    id        INTEGER PRIMARY KEY,
    handle    TEXT    NOT NULL UNIQUE,
    title     TEXT    NOT NULL,
    parent_id INTEGER NOT NULL,
    UNIQUE (parent_id, title)
);

CREATE TABLE brand (
    id     INTEGER PRIMARY KEY,
    handle TEXT    NOT NULL UNIQUE,
    title  TEXT    NOT NULL UNIQUE
);

-- A product stands in its categories (direct = 1) and in all their ancestors (direct = 0), so that the page of a category
-- with everything below it is one walk of the key.
CREATE TABLE product_category (
    category_id INTEGER NOT NULL,
    product_id  INTEGER NOT NULL,
    direct      INTEGER NOT NULL CHECK (direct IN (0, 1)),
    PRIMARY KEY (category_id, product_id)
) WITHOUT ROWID;

CREATE INDEX product_category_by_product ON product_category (product_id);

-- The products that shoppers read most, remembered over a restart so that the cache is warm before the doors open.
CREATE TABLE product_most_read (
    position   INTEGER PRIMARY KEY,
    product_id INTEGER NOT NULL
);

-- +goose Down
DROP TABLE product_most_read;
DROP TABLE product_category;
DROP TABLE brand;
DROP TABLE category;
DROP TABLE sku;
DROP TABLE product;

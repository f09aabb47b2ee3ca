-- +goose Up

-- The tables of migrations/sqlite, as MySQL, MariaDB, TiDB and Vitess take them. What is said there of a table is not
-- repeated here. MySQL commits each statement of a migration by itself: each can be repeated after a crash. An ALTER TABLE can
-- be, because the migrator takes a column that is there for added.
--
-- No foreign keys, no AUTO_INCREMENT. Texts that are compared or are keys are VARBINARY: they compare by bytes, trailing
-- spaces included, which no collation that all these engines know does. A partial index is an index that leads with the
-- condition's column, or one on a generated column that is NULL where the condition does not hold.
CREATE TABLE IF NOT EXISTS product (
    id          BIGINT          NOT NULL PRIMARY KEY,
    handle      VARBINARY(1100) NOT NULL UNIQUE,
    title       TEXT            NOT NULL,
    description MEDIUMTEXT      NOT NULL,
    status      VARCHAR(20)     NOT NULL CHECK (status IN ('draft', 'published', 'retired')),
    brand_id    BIGINT          NOT NULL,
    options     MEDIUMTEXT      NOT NULL,
    attributes  MEDIUMTEXT      NOT NULL,
    pictures    MEDIUMTEXT      NOT NULL,
    version     BIGINT          NOT NULL CHECK (version > 0),
    created_at  BIGINT          NOT NULL,
    updated_at  BIGINT          NOT NULL,
    rehearsal   TINYINT         NOT NULL DEFAULT 0 CHECK (rehearsal IN (0, 1)),
    KEY product_by_status (status, id),
    KEY product_by_brand (brand_id, status, id)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS sku (
    id          BIGINT         NOT NULL PRIMARY KEY,
    product_id  BIGINT         NOT NULL,
    position    INT            NOT NULL,
    code        VARBINARY(400) NOT NULL UNIQUE,
    options     MEDIUMTEXT     NOT NULL,
    price_minor BIGINT         NOT NULL CHECK (price_minor > 0),
    currency    VARCHAR(3)     NOT NULL,
    retired     TINYINT        NOT NULL CHECK (retired IN (0, 1)),
    KEY sku_by_product (product_id, position)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS category (
    id        BIGINT          NOT NULL PRIMARY KEY,
    handle    VARBINARY(1500) NOT NULL UNIQUE,
    title     VARBINARY(500)  NOT NULL,
    parent_id BIGINT          NOT NULL,
    UNIQUE KEY category_title (parent_id, title)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS brand (
    id     BIGINT          NOT NULL PRIMARY KEY,
    handle VARBINARY(1500) NOT NULL UNIQUE,
    title  VARBINARY(500)  NOT NULL UNIQUE
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS product_category (
    category_id BIGINT  NOT NULL,
    product_id  BIGINT  NOT NULL,
    direct      TINYINT NOT NULL CHECK (direct IN (0, 1)),
    PRIMARY KEY (category_id, product_id),
    KEY product_category_by_product (product_id)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS product_most_read (
    position   INT    NOT NULL PRIMARY KEY,
    product_id BIGINT NOT NULL
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS product_most_read;
DROP TABLE IF EXISTS product_category;
DROP TABLE IF EXISTS brand;
DROP TABLE IF EXISTS category;
DROP TABLE IF EXISTS sku;
DROP TABLE IF EXISTS product;

-- +goose Up

-- Where a sale is sold, its sale_id leads the keys: a sale's stock, orders and allowances can live on one shard.
CREATE TABLE IF NOT EXISTS stock (
    sale_id  BIGINT NOT NULL,
    sku_id   BIGINT NOT NULL,
    on_hand  BIGINT NOT NULL CHECK (on_hand >= 0),
    reserved BIGINT NOT NULL,
    sold     BIGINT NOT NULL CHECK (sold >= 0),
    PRIMARY KEY (sale_id, sku_id),
    KEY stock_by_sku (sku_id),
    CONSTRAINT stock_reserved CHECK (reserved >= 0 AND reserved <= on_hand)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS movement (
    id       BIGINT      NOT NULL PRIMARY KEY,
    sale_id  BIGINT      NOT NULL,
    sku_id   BIGINT      NOT NULL,
    kind     VARCHAR(20) NOT NULL CHECK (kind IN ('receive', 'adjust', 'allocate', 'reserve', 'release', 'sell', 'return')),
    units    BIGINT      NOT NULL CHECK (units <> 0),
    order_id BIGINT      NOT NULL,
    actor    TEXT        NOT NULL,
    reason   TEXT        NOT NULL,
    at       BIGINT      NOT NULL,
    by_hand  TINYINT     GENERATED ALWAYS AS (CASE WHEN order_id = 0 AND kind <> 'reserve' THEN 1 END) VIRTUAL,
    KEY movement_by_hand (sku_id, by_hand, id)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS adjustment (
    idem_key    VARBINARY(768) NOT NULL PRIMARY KEY,
    movement_id BIGINT         NOT NULL,
    sku_id      BIGINT         NOT NULL,
    kind        VARCHAR(20)    NOT NULL,
    units       BIGINT         NOT NULL,
    reason      TEXT           NOT NULL
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS sale (
    id                 BIGINT      NOT NULL PRIMARY KEY,
    title              TEXT        NOT NULL,
    status             VARCHAR(20) NOT NULL CHECK (status IN ('draft', 'scheduled', 'live', 'paused', 'ended')),
    starts_at          BIGINT      NOT NULL,
    ends_at            BIGINT      NOT NULL,
    limit_per_customer BIGINT      NOT NULL CHECK (limit_per_customer >= 0),
    payment_ms         BIGINT      NOT NULL CHECK (payment_ms > 0),
    version            BIGINT      NOT NULL,
    created_at         BIGINT      NOT NULL,
    updated_at         BIGINT      NOT NULL,
    rehearsal          TINYINT     NOT NULL DEFAULT 0 CHECK (rehearsal IN (0, 1)),
    KEY sale_open (status),
    CONSTRAINT sale_times CHECK (ends_at > starts_at)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS sale_item (
    sale_id    BIGINT     NOT NULL,
    sku_id     BIGINT     NOT NULL,
    product_id BIGINT     NOT NULL,
    price      BIGINT     NOT NULL CHECK (price >= 0),
    list_price BIGINT     NOT NULL CHECK (list_price >= 0),
    currency   VARCHAR(3) NOT NULL,
    allocation BIGINT     NOT NULL CHECK (allocation >= 0),
    PRIMARY KEY (sale_id, sku_id)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS orders (
    id          BIGINT         NOT NULL PRIMARY KEY,
    sale_id     BIGINT         NOT NULL,
    customer_id BIGINT         NOT NULL,
    idem_key    VARBINARY(768) NOT NULL,
    body_hash   VARBINARY(64)  NOT NULL,
    status      VARCHAR(20)    NOT NULL CHECK (status IN ('pending', 'paid', 'fulfilled', 'expired', 'cancelled', 'refunded')),
    `lines`     TEXT           NOT NULL,
    units       BIGINT         NOT NULL CHECK (units > 0),
    total       BIGINT         NOT NULL CHECK (total >= 0),
    currency    VARCHAR(3)     NOT NULL,
    created_at  BIGINT         NOT NULL,
    expires_at  BIGINT         NOT NULL,
    paid_at     BIGINT         NOT NULL DEFAULT 0,
    closed_at   BIGINT         NOT NULL DEFAULT 0,
    UNIQUE KEY orders_key (sale_id, customer_id, idem_key),
    KEY orders_due (status, expires_at)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- What a customer has had of a sale is the sum of their orders, here too. This row is what those who add it up at once wait
-- for: batches counts those who did. Only sales with a limit have such rows.
CREATE TABLE IF NOT EXISTS allowance (
    sale_id     BIGINT NOT NULL,
    customer_id BIGINT NOT NULL,
    batches     BIGINT NOT NULL,
    PRIMARY KEY (sale_id, customer_id)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- Events. Many commit at once, so a row has no position until it is stamped, by one at a time and from the last position on:
-- a row that commits late is stamped late, and no reader of positions has passed it. noted and id are the order of those
-- that wait: by the database's clock, and within one process as they were made.
CREATE TABLE IF NOT EXISTS outbox (
    id       BINARY(16)   NOT NULL PRIMARY KEY,
    position BIGINT,
    count    INT          NOT NULL DEFAULT 1 CHECK (count > 0),
    type     VARCHAR(100) NOT NULL,
    subject  BIGINT       NOT NULL,
    payload  MEDIUMBLOB   NOT NULL,
    at       BIGINT       NOT NULL,
    noted    DATETIME(6)  NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    for_gate TINYINT      GENERATED ALWAYS AS (CASE WHEN type IN ('stock.moved.v1', 'sale.changed.v1') THEN 1 END) VIRTUAL,
    UNIQUE KEY outbox_position (position),
    KEY outbox_gate (for_gate, position)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- The last position that was given out, for each table that is stamped.
CREATE TABLE IF NOT EXISTS stamp (
    name     VARBINARY(50) NOT NULL PRIMARY KEY,
    position BIGINT        NOT NULL
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO stamp (name, position) VALUES ('outbox', 0), ('revocation', 0);

-- One row for each transaction that is no batch of orders: whoever lost the answer to its COMMIT looks here.
CREATE TABLE IF NOT EXISTS marker (
    id    BINARY(16)  NOT NULL PRIMARY KEY,
    noted DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    KEY marker_noted (noted)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- The primary's pulse: a replica is as far behind as the pulse that has reached it is old.
CREATE TABLE IF NOT EXISTS pulse (
    name  VARBINARY(50) NOT NULL PRIMARY KEY,
    beats BIGINT        NOT NULL
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS pulse;
DROP TABLE IF EXISTS marker;
DROP TABLE IF EXISTS stamp;
DROP TABLE IF EXISTS outbox;
DROP TABLE IF EXISTS allowance;
DROP TABLE IF EXISTS orders;
DROP TABLE IF EXISTS sale_item;
DROP TABLE IF EXISTS sale;
DROP TABLE IF EXISTS adjustment;
DROP TABLE IF EXISTS movement;
DROP TABLE IF EXISTS stock;

-- +goose Up

-- A pool: the stock of one SKU for one purpose. sale_id 0 is the general pool. The CHECKs stand behind the conditional
-- updates: what they refuse is a defect, not a sold-out.
CREATE TABLE stock (
    sale_id  INTEGER NOT NULL,
    sku_id   INTEGER NOT NULL,
    on_hand  INTEGER NOT NULL CHECK (on_hand >= 0),
    reserved INTEGER NOT NULL CHECK (reserved >= 0 AND reserved <= on_hand),
    sold     INTEGER NOT NULL CHECK (sold >= 0),
    PRIMARY KEY (sale_id, sku_id)
) WITHOUT ROWID;

CREATE INDEX stock_by_sku ON stock (sku_id);

-- The ledger: append-only, its sums are the stock rows.
CREATE TABLE movement (
    id       INTEGER PRIMARY KEY,
    sale_id  INTEGER NOT NULL,
    sku_id   INTEGER NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('receive', 'adjust', 'allocate', 'reserve', 'release', 'sell', 'return')),
    units    INTEGER NOT NULL CHECK (units <> 0),
    order_id INTEGER NOT NULL,
    actor    TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    at       INTEGER NOT NULL
);

-- The movements made by hand, which an operator asks for by SKU. Those of orders are found through their orders, so that
-- the hot insert carries no second index.
CREATE INDEX movement_by_hand ON movement (sku_id, id) WHERE order_id = 0;

-- A repeated adjustment is told by its key.
CREATE TABLE adjustment (
    idem_key    TEXT    PRIMARY KEY,
    movement_id INTEGER NOT NULL,
    sku_id      INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    units       INTEGER NOT NULL,
    reason      TEXT    NOT NULL
) WITHOUT ROWID;

CREATE TABLE sale (
    id                 INTEGER PRIMARY KEY,
    title              TEXT    NOT NULL,
    status             TEXT    NOT NULL CHECK (status IN ('draft', 'scheduled', 'live', 'paused', 'ended')),
    starts_at          INTEGER NOT NULL,
    ends_at            INTEGER NOT NULL CHECK (ends_at > starts_at),
    limit_per_customer INTEGER NOT NULL CHECK (limit_per_customer >= 0),
    payment_ms         INTEGER NOT NULL CHECK (payment_ms > 0),
    version            INTEGER NOT NULL,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL
);

CREATE INDEX sale_open ON sale (status) WHERE status <> 'ended';

CREATE TABLE sale_item (
    sale_id    INTEGER NOT NULL,
    sku_id     INTEGER NOT NULL,
    product_id INTEGER NOT NULL,
    price      INTEGER NOT NULL CHECK (price >= 0),
    list_price INTEGER NOT NULL CHECK (list_price >= 0),
    currency   TEXT    NOT NULL,
    allocation INTEGER NOT NULL CHECK (allocation >= 0),
    PRIMARY KEY (sale_id, sku_id)
) WITHOUT ROWID;

-- The unique key leads with the sale: tonight's inserts touch only tonight's part of the index, a customer's orders are found
-- by walking the sales, and what a customer has had of a sale is the sum of their orders in it: no second table to keep true.
-- Keys compare by bytes (BINARY, SQLite's default).
CREATE TABLE orders (
    id          INTEGER PRIMARY KEY,
    sale_id     INTEGER NOT NULL,
    customer_id INTEGER NOT NULL,
    idem_key    TEXT    NOT NULL,
    body_hash   BLOB    NOT NULL,
    status      TEXT    NOT NULL CHECK (status IN ('pending', 'paid', 'fulfilled', 'expired', 'cancelled', 'refunded')),
    lines       TEXT    NOT NULL,
    units       INTEGER NOT NULL CHECK (units > 0),
    total       INTEGER NOT NULL CHECK (total >= 0),
    currency    TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    paid_at     INTEGER NOT NULL DEFAULT 0,
    closed_at   INTEGER NOT NULL DEFAULT 0,
    UNIQUE (sale_id, customer_id, idem_key)
);

CREATE INDEX orders_due ON orders (expires_at) WHERE status = 'pending';

-- Events, in the order of commits: position is the row's own number. SQLite gives the next number after the largest, so
-- positions are never used twice as long as the newest row is kept: whoever trims keeps it.
CREATE TABLE outbox (
    position INTEGER PRIMARY KEY,
    type     TEXT    NOT NULL,
    subject  INTEGER NOT NULL,
    payload  BLOB    NOT NULL,
    at       INTEGER NOT NULL
);

-- What the gate follows. A placed order is not among it: the gate knew first.
CREATE INDEX outbox_gate ON outbox (position) WHERE type IN ('stock.moved.v1', 'sale.changed.v1');

-- +goose Down
DROP TABLE outbox;
DROP TABLE orders;
DROP TABLE sale_item;
DROP TABLE sale;
DROP TABLE adjustment;
DROP TABLE movement;
DROP TABLE stock;

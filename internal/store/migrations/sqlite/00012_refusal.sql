-- +goose Up

-- Why a queued order was refused when it was its turn. A refused order has no row among the orders and binds no key; this row
-- makes sure that its intent, delivered once more, is refused again. instead_id is the order that its key had already.
CREATE TABLE refusal (
    order_id    INTEGER PRIMARY KEY,
    sale_id     INTEGER NOT NULL,
    customer_id INTEGER NOT NULL,
    code        TEXT    NOT NULL,
    sku_id      INTEGER NOT NULL,
    instead_id  INTEGER NOT NULL,
    at          INTEGER NOT NULL
);

-- +goose Down

DROP TABLE refusal;

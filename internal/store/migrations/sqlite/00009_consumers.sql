-- +goose Up

-- Points: what an order earned, and what was taken back with its refund. Once each for an order: the key is the record that
-- the event was applied.
CREATE TABLE points_entry (
    order_id    INTEGER NOT NULL,
    kind        TEXT    NOT NULL CHECK (kind IN ('earned', 'taken_back')),
    customer_id INTEGER NOT NULL,
    points      INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (order_id, kind)
) WITHOUT ROWID;

CREATE INDEX points_by_customer ON points_entry (customer_id, order_id);

-- Where other people's systems want to be told, and what they want to be told of: types is their names between blanks, each
-- with a blank on both sides, or ' * '.
CREATE TABLE webhook_endpoint (
    id            INTEGER PRIMARY KEY,
    url           TEXT    NOT NULL,
    description   TEXT    NOT NULL,
    types         TEXT    NOT NULL,
    secret        TEXT    NOT NULL,
    status        TEXT    NOT NULL CHECK (status IN ('active', 'paused')),
    paused_reason TEXT    NOT NULL,
    failing_since INTEGER NOT NULL,
    last_error    TEXT    NOT NULL,
    delivered_at  INTEGER NOT NULL,
    created_at    INTEGER NOT NULL
);

-- What is to be told to an endpoint, once for an event: the unique key is the record that the event was applied.
CREATE TABLE webhook_delivery (
    number      INTEGER PRIMARY KEY,
    endpoint_id INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    type        TEXT    NOT NULL,
    payload     BLOB    NOT NULL,
    at          INTEGER NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    tries       INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    last_status INTEGER NOT NULL,
    last_error  TEXT    NOT NULL,
    settled_at  INTEGER NOT NULL,
    UNIQUE (endpoint_id, position)
);

CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint_id, state, due_at);

-- What shoppers are to be told, once for an event.
CREATE TABLE notification (
    position    INTEGER PRIMARY KEY,
    type        TEXT    NOT NULL,
    order_id    INTEGER NOT NULL,
    customer_id INTEGER NOT NULL,
    payload     BLOB    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'nobody')),
    tries       INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    last_error  TEXT    NOT NULL,
    settled_at  INTEGER NOT NULL
);

CREATE INDEX notification_due ON notification (state, due_at);

-- +goose Down
DROP TABLE notification;
DROP TABLE webhook_delivery;
DROP TABLE webhook_endpoint;
DROP TABLE points_entry;

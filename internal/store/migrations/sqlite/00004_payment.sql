-- +goose Up

-- A try to pay an order. look_at is when the provider is asked next, while the attempt is live.
CREATE TABLE payment_attempt (
    id         INTEGER PRIMARY KEY,
    order_id   INTEGER NOT NULL,
    provider   TEXT    NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('starting', 'open', 'succeeded', 'failed', 'closed')),
    amount     INTEGER NOT NULL CHECK (amount >= 0),
    currency   TEXT    NOT NULL,
    reference  TEXT    NOT NULL,
    pay_url    TEXT    NOT NULL,
    pays       INTEGER NOT NULL CHECK (pays = 0 OR pays = 1 AND status = 'succeeded'),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    look_at    INTEGER NOT NULL,
    settled_at INTEGER NOT NULL
);

CREATE INDEX payment_attempt_of ON payment_attempt (order_id, id);

-- An order has one live attempt at a time, and is paid by one: the last guards behind the compare-and-sets.
CREATE UNIQUE INDEX payment_attempt_live ON payment_attempt (order_id) WHERE status IN ('starting', 'open');
CREATE UNIQUE INDEX payment_attempt_pays ON payment_attempt (order_id) WHERE pays = 1;

CREATE INDEX payment_attempt_look ON payment_attempt (look_at) WHERE status IN ('starting', 'open');

-- The duty to give an attempt's money back: at most one for an attempt.
CREATE TABLE refund (
    id         INTEGER PRIMARY KEY,
    order_id   INTEGER NOT NULL,
    attempt_id INTEGER NOT NULL UNIQUE,
    provider   TEXT    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind IN ('order', 'surplus')),
    status     TEXT    NOT NULL CHECK (status IN ('requested', 'succeeded', 'failed')),
    amount     INTEGER NOT NULL CHECK (amount >= 0),
    currency   TEXT    NOT NULL,
    restock    INTEGER NOT NULL CHECK (restock IN (0, 1)),
    reason     TEXT    NOT NULL,
    actor      TEXT    NOT NULL,
    round      INTEGER NOT NULL CHECK (round > 0),
    refusal    TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    look_at    INTEGER NOT NULL,
    settled_at INTEGER NOT NULL
);

CREATE INDEX refund_of ON refund (order_id, id);
CREATE INDEX refund_look ON refund (look_at) WHERE status = 'requested';

-- The sandbox provider plays an outside company: what follows is its own, and no other part of the shop reads it.
CREATE TABLE sandbox_payment (
    attempt_id INTEGER PRIMARY KEY,
    order_id   INTEGER NOT NULL,
    token      TEXT    NOT NULL UNIQUE,
    status     TEXT    NOT NULL CHECK (status IN ('waiting', 'paid', 'declined', 'ended')),
    amount     INTEGER NOT NULL,
    currency   TEXT    NOT NULL,
    refunded   INTEGER NOT NULL CHECK (refunded >= 0 AND refunded <= amount),
    script     BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    settled_at INTEGER NOT NULL
);

CREATE TABLE sandbox_refund (
    idem_key   TEXT    PRIMARY KEY,
    attempt_id INTEGER NOT NULL,
    amount     INTEGER NOT NULL,
    currency   TEXT    NOT NULL,
    at         INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE sandbox_notification (
    id         INTEGER PRIMARY KEY,
    attempt_id INTEGER NOT NULL,
    body       BLOB    NOT NULL,
    forged     INTEGER NOT NULL,
    age_ms     INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    done_at    INTEGER NOT NULL,
    answer     TEXT    NOT NULL
);

CREATE INDEX sandbox_notification_due ON sandbox_notification (due_at) WHERE done_at = 0;

-- +goose Down
DROP TABLE sandbox_notification;
DROP TABLE sandbox_refund;
DROP TABLE sandbox_payment;
DROP TABLE refund;
DROP TABLE payment_attempt;

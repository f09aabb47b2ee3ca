-- +goose Up

CREATE TABLE IF NOT EXISTS payment_attempt (
    id         BIGINT        NOT NULL PRIMARY KEY,
    order_id   BIGINT        NOT NULL,
    provider   VARCHAR(100)  NOT NULL,
    status     VARCHAR(20)   NOT NULL CHECK (status IN ('starting', 'open', 'succeeded', 'failed', 'closed')),
    amount     BIGINT        NOT NULL CHECK (amount >= 0),
    currency   VARCHAR(3)    NOT NULL,
    reference  TEXT          NOT NULL,
    pay_url    TEXT          NOT NULL,
    pays       TINYINT       NOT NULL,
    created_at BIGINT        NOT NULL,
    expires_at BIGINT        NOT NULL,
    look_at    BIGINT        NOT NULL,
    settled_at BIGINT        NOT NULL,
    live_order BIGINT        GENERATED ALWAYS AS (CASE WHEN status IN ('starting', 'open') THEN order_id END) VIRTUAL,
    pays_order BIGINT        GENERATED ALWAYS AS (CASE WHEN pays = 1 THEN order_id END) VIRTUAL,
    KEY payment_attempt_of (order_id, id),
    KEY payment_attempt_look (status, look_at),
    UNIQUE KEY payment_attempt_live (live_order),
    UNIQUE KEY payment_attempt_pays (pays_order),
    CONSTRAINT payment_attempt_paid CHECK (pays = 0 OR pays = 1 AND status = 'succeeded')
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS refund (
    id         BIGINT       NOT NULL PRIMARY KEY,
    order_id   BIGINT       NOT NULL,
    attempt_id BIGINT       NOT NULL UNIQUE,
    provider   VARCHAR(100) NOT NULL,
    kind       VARCHAR(20)  NOT NULL CHECK (kind IN ('order', 'surplus')),
    status     VARCHAR(20)  NOT NULL CHECK (status IN ('requested', 'succeeded', 'failed')),
    amount     BIGINT       NOT NULL CHECK (amount >= 0),
    currency   VARCHAR(3)   NOT NULL,
    restock    TINYINT      NOT NULL CHECK (restock IN (0, 1)),
    reason     TEXT         NOT NULL,
    actor      TEXT         NOT NULL,
    round      INT          NOT NULL CHECK (round > 0),
    refusal    TEXT         NOT NULL,
    created_at BIGINT       NOT NULL,
    look_at    BIGINT       NOT NULL,
    settled_at BIGINT       NOT NULL,
    KEY refund_of (order_id, id),
    KEY refund_look (status, look_at)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS sandbox_payment (
    attempt_id BIGINT         NOT NULL PRIMARY KEY,
    order_id   BIGINT         NOT NULL,
    token      VARBINARY(255) NOT NULL UNIQUE,
    status     VARCHAR(20)    NOT NULL CHECK (status IN ('waiting', 'paid', 'declined', 'ended')),
    amount     BIGINT         NOT NULL,
    currency   VARCHAR(3)     NOT NULL,
    refunded   BIGINT         NOT NULL,
    script     MEDIUMBLOB     NOT NULL,
    created_at BIGINT         NOT NULL,
    expires_at BIGINT         NOT NULL,
    settled_at BIGINT         NOT NULL,
    CONSTRAINT sandbox_payment_refunded CHECK (refunded >= 0 AND refunded <= amount)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS sandbox_refund (
    idem_key   VARBINARY(255) NOT NULL PRIMARY KEY,
    attempt_id BIGINT         NOT NULL,
    amount     BIGINT         NOT NULL,
    currency   VARCHAR(3)     NOT NULL,
    at         BIGINT         NOT NULL
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS sandbox_notification (
    id         BIGINT     NOT NULL PRIMARY KEY,
    attempt_id BIGINT     NOT NULL,
    body       MEDIUMBLOB NOT NULL,
    forged     TINYINT    NOT NULL,
    age_ms     BIGINT     NOT NULL,
    tries      INT        NOT NULL,
    due_at     BIGINT     NOT NULL,
    done_at    BIGINT     NOT NULL,
    answer     TEXT       NOT NULL,
    KEY sandbox_notification_due (done_at, due_at)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS sandbox_notification;
DROP TABLE IF EXISTS sandbox_refund;
DROP TABLE IF EXISTS sandbox_payment;
DROP TABLE IF EXISTS refund;
DROP TABLE IF EXISTS payment_attempt;

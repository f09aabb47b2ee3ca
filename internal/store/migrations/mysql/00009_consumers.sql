-- +goose Up

CREATE TABLE IF NOT EXISTS points_entry (
    order_id    BIGINT       NOT NULL,
    kind        VARCHAR(20)  NOT NULL CHECK (kind IN ('earned', 'taken_back')),
    customer_id BIGINT       NOT NULL,
    points      BIGINT       NOT NULL,
    at          BIGINT       NOT NULL,
    PRIMARY KEY (order_id, kind),
    KEY points_by_customer (customer_id, order_id)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS webhook_endpoint (
    id            BIGINT        NOT NULL PRIMARY KEY,
    url           VARCHAR(2000) NOT NULL,
    description   VARCHAR(200)  NOT NULL,
    types         TEXT          NOT NULL,
    secret        VARCHAR(200)  NOT NULL,
    status        VARCHAR(20)   NOT NULL CHECK (status IN ('active', 'paused')),
    paused_reason TEXT          NOT NULL,
    failing_since BIGINT        NOT NULL,
    last_error    TEXT          NOT NULL,
    delivered_at  BIGINT        NOT NULL,
    created_at    BIGINT        NOT NULL
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS webhook_delivery (
    number      BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    endpoint_id BIGINT       NOT NULL,
    position    BIGINT       NOT NULL,
    type        VARCHAR(100) NOT NULL,
    payload     MEDIUMBLOB   NOT NULL,
    at          BIGINT       NOT NULL,
    state       VARCHAR(20)  NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    tries       INT          NOT NULL,
    due_at      BIGINT       NOT NULL,
    last_status INT          NOT NULL,
    last_error  TEXT         NOT NULL,
    settled_at  BIGINT       NOT NULL,
    UNIQUE KEY webhook_delivery_event (endpoint_id, position),
    KEY webhook_delivery_due (endpoint_id, state, due_at)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS notification (
    position    BIGINT       NOT NULL PRIMARY KEY,
    type        VARCHAR(100) NOT NULL,
    order_id    BIGINT       NOT NULL,
    customer_id BIGINT       NOT NULL,
    payload     MEDIUMBLOB   NOT NULL,
    state       VARCHAR(20)  NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'nobody')),
    tries       INT          NOT NULL,
    due_at      BIGINT       NOT NULL,
    last_error  TEXT         NOT NULL,
    settled_at  BIGINT       NOT NULL,
    KEY notification_due (state, due_at)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS notification;
DROP TABLE IF EXISTS webhook_delivery;
DROP TABLE IF EXISTS webhook_endpoint;
DROP TABLE IF EXISTS points_entry;

-- +goose Up

CREATE TABLE IF NOT EXISTS customer (
    id            BIGINT         NOT NULL PRIMARY KEY,
    email         VARBINARY(400) NOT NULL UNIQUE,
    password_hash VARBINARY(500) NOT NULL,
    created_at    BIGINT         NOT NULL
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS session (
    id            BIGINT        NOT NULL PRIMARY KEY,
    customer_id   BIGINT        NOT NULL,
    family_hash   VARBINARY(64) NOT NULL,
    current_hash  VARBINARY(64) NOT NULL,
    previous_hash VARBINARY(64) NOT NULL,
    salt          VARBINARY(64) NOT NULL,
    rotated_at    BIGINT        NOT NULL,
    created_at    BIGINT        NOT NULL,
    expires_at    BIGINT        NOT NULL,
    revoked_at    BIGINT        NOT NULL,
    KEY session_open (customer_id, revoked_at, id),
    KEY session_end (expires_at)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- position is NULL until the row is stamped, in an order that readers can follow: see outbox.
CREATE TABLE IF NOT EXISTS revocation (
    session_id BIGINT      NOT NULL PRIMARY KEY,
    until      BIGINT      NOT NULL,
    noted      DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    position   BIGINT,
    UNIQUE KEY revocation_position (position),
    KEY revocation_end (until)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS admin_key (
    id          BIGINT        NOT NULL PRIMARY KEY,
    name        TEXT          NOT NULL,
    roles       VARCHAR(500)  NOT NULL,
    secret_hash VARBINARY(64) NOT NULL,
    created_at  BIGINT        NOT NULL,
    revoked_at  BIGINT        NOT NULL,
    KEY admin_key_good (revoked_at, id)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS admin_key;
DROP TABLE IF EXISTS revocation;
DROP TABLE IF EXISTS session;
DROP TABLE IF EXISTS customer;

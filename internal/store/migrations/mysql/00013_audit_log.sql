-- +goose Up

CREATE TABLE IF NOT EXISTS audit_log (
    id      BIGINT         NOT NULL PRIMARY KEY,
    at      BIGINT         NOT NULL,
    key_id  BIGINT         NOT NULL,
    actor   VARBINARY(500) NOT NULL,
    verb    VARBINARY(100) NOT NULL,
    subject VARBINARY(200) NOT NULL,
    reason  VARBINARY(600) NOT NULL,
    KEY audit_log_of (subject, id)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS audit_log;

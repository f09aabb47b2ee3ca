-- +goose Up

CREATE TABLE IF NOT EXISTS console_session (
    id         BIGINT NOT NULL PRIMARY KEY,
    key_id     BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    KEY console_session_key (key_id, id),
    KEY console_session_end (expires_at)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS console_session;

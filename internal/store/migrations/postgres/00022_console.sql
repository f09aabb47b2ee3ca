-- +goose Up

CREATE TABLE console_session (
    id         BIGINT PRIMARY KEY,
    key_id     BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX console_session_key ON console_session (key_id, id);
CREATE INDEX console_session_end ON console_session (expires_at);

-- +goose Down
DROP TABLE console_session;

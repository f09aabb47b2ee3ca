-- +goose Up

-- A sign-in to the console: it is good while its row is here and its key is good. Signing out deletes it.
CREATE TABLE console_session (
    id         INTEGER PRIMARY KEY,
    key_id     INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);

CREATE INDEX console_session_key ON console_session (key_id, id);

CREATE INDEX console_session_end ON console_session (expires_at);

-- +goose Down
DROP TABLE console_session;

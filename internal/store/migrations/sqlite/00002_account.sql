-- +goose Up

CREATE TABLE customer (
    id            INTEGER PRIMARY KEY,
    email         TEXT    NOT NULL UNIQUE,
    password_hash TEXT    NOT NULL,
    created_at    INTEGER NOT NULL
);

-- A sign-in. Every secret of it is here as a hash only.
CREATE TABLE session (
    id            INTEGER PRIMARY KEY,
    customer_id   INTEGER NOT NULL,
    family_hash   BLOB    NOT NULL,
    current_hash  BLOB    NOT NULL,
    previous_hash BLOB    NOT NULL,
    salt          BLOB    NOT NULL,
    rotated_at    INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    revoked_at    INTEGER NOT NULL
);

CREATE INDEX session_open ON session (customer_id, id) WHERE revoked_at = 0;

CREATE INDEX session_end ON session (expires_at);

-- Which sessions ended, in the order of commits: every process reads on from where it was. AUTOINCREMENT, because a
-- position must not come back when the newest row has been deleted.
CREATE TABLE revocation (
    position   INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id INTEGER NOT NULL,
    until      INTEGER NOT NULL
);

CREATE INDEX revocation_end ON revocation (until);

CREATE TABLE admin_key (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL,
    roles       TEXT    NOT NULL,
    secret_hash BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    revoked_at  INTEGER NOT NULL
);

CREATE INDEX admin_key_good ON admin_key (id) WHERE revoked_at = 0;

-- +goose Down

DROP TABLE admin_key;
DROP TABLE revocation;
DROP TABLE session;
DROP TABLE customer;

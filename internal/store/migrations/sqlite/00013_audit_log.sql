-- +goose Up

-- What operators did, each row written in the transaction that did it. Never changed.
CREATE TABLE audit_log (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    key_id  INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    verb    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    reason  TEXT    NOT NULL
);

CREATE INDEX audit_log_of ON audit_log (subject, id) WHERE subject <> '';

-- +goose Down
DROP TABLE audit_log;

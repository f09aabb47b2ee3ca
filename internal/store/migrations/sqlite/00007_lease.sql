-- +goose Up

-- Who does a piece of work that one process does at a time. A row stays when its lease is given free, so that the fence
-- grows with each holder for ever. until is in milliseconds by the database's clock; 0 is free.
CREATE TABLE lease (
    name   TEXT    PRIMARY KEY,
    holder TEXT    NOT NULL,
    fence  INTEGER NOT NULL CHECK (fence >= 0),
    until  INTEGER NOT NULL
) WITHOUT ROWID;

-- +goose Down

DROP TABLE lease;

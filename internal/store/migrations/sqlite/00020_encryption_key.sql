-- +goose Up

-- The ids of the keys that secrets in this database are encrypted with, the newest first, between commas. The keys themselves are in no
-- table: a process that lacks one of these does not serve.
CREATE TABLE encryption_key (
    number INTEGER PRIMARY KEY CHECK (number = 1),
    ids    TEXT    NOT NULL
);

-- +goose Down
DROP TABLE encryption_key;

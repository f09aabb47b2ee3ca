-- +goose Up

CREATE TABLE encryption_key (
    number BIGINT PRIMARY KEY CHECK (number = 1),
    ids    TEXT COLLATE "C" NOT NULL
);

-- +goose Down
DROP TABLE encryption_key;

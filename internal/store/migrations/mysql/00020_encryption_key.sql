-- +goose Up

CREATE TABLE IF NOT EXISTS encryption_key (
    number BIGINT       NOT NULL PRIMARY KEY CHECK (number = 1),
    ids    VARCHAR(200) NOT NULL
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS encryption_key;

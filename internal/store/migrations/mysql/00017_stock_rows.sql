-- +goose Up

-- SQLite's rows of stock get a number. Here they lie by their key already, and are found by it.
SELECT 1;

-- +goose Down
SELECT 1;

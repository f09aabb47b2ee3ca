-- +goose Up

-- SQLite gets an index of what is held unpaid. Here a customer's orders of general stock are found by their keys: an index
-- would hold a row for each order in a sale, too.
SELECT 1;

-- +goose Down
SELECT 1;

-- +goose Up

-- What SQLite's migration adds is in outbox and movement from the beginning.
SELECT 1;

-- +goose Down
SELECT 1;

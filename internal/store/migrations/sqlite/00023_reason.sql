-- +goose Up

-- A reason has 500 characters: here a text has no bound of its own.
SELECT 1;

-- +goose Down
SELECT 1;

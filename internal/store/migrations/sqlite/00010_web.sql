-- +goose Up

-- How exactly shoppers are told what is left of a sale.
ALTER TABLE sale ADD COLUMN shows_left TEXT NOT NULL DEFAULT 'exact' CHECK (shows_left IN ('exact', 'coarse'));

-- +goose Down
ALTER TABLE sale DROP COLUMN shows_left;

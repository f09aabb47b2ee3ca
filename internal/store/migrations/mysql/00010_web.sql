-- +goose Up

ALTER TABLE sale ADD COLUMN shows_left VARCHAR(20) NOT NULL DEFAULT 'exact' CHECK (shows_left IN ('exact', 'coarse'));

-- +goose Down
ALTER TABLE sale DROP COLUMN shows_left;

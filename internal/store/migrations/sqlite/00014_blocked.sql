-- +goose Up

-- Since when a customer may not sign in; 0: they may.
ALTER TABLE customer ADD COLUMN blocked_at INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE customer DROP COLUMN blocked_at;

-- +goose Up

ALTER TABLE customer ADD COLUMN blocked_at BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE customer DROP COLUMN blocked_at;

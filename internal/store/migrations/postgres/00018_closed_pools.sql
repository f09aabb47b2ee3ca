-- +goose Up

ALTER TABLE stock ADD COLUMN closed_at BIGINT NOT NULL DEFAULT 0 CHECK (closed_at >= 0);

-- +goose Down
ALTER TABLE stock DROP COLUMN closed_at;

-- +goose Up

ALTER TABLE gate_epoch ADD COLUMN opened BIGINT NOT NULL DEFAULT 0 CHECK (opened >= 0);

UPDATE gate_epoch SET opened = number;

-- +goose Down
ALTER TABLE gate_epoch DROP COLUMN opened;

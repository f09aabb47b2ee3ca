-- +goose Up

-- The last epoch that was open: where it stays and none is ready, none was meanwhile. A gate that one process cannot reach is closed for
-- all, by ready alone.
ALTER TABLE gate_epoch ADD COLUMN opened INTEGER NOT NULL DEFAULT 0 CHECK (opened >= 0);

UPDATE gate_epoch SET opened = number;

-- +goose Down
ALTER TABLE gate_epoch DROP COLUMN opened;

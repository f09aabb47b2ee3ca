-- +goose Up

-- The secret before the present one, and until when it signs beside it; '' and 0: there is none.
ALTER TABLE webhook_endpoint ADD COLUMN secret_before TEXT NOT NULL DEFAULT '';
ALTER TABLE webhook_endpoint ADD COLUMN secret_before_until INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE webhook_endpoint DROP COLUMN secret_before_until;
ALTER TABLE webhook_endpoint DROP COLUMN secret_before;

-- +goose Up

ALTER TABLE webhook_endpoint ADD COLUMN secret_before VARCHAR(200) NOT NULL DEFAULT '';
ALTER TABLE webhook_endpoint ADD COLUMN secret_before_until BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE webhook_endpoint DROP COLUMN secret_before_until;
ALTER TABLE webhook_endpoint DROP COLUMN secret_before;

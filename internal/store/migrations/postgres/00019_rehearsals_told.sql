-- +goose Up

-- Whether the endpoint asked for the events of rehearsals. Those that are there did not.
ALTER TABLE webhook_endpoint ADD COLUMN rehearsals BIGINT NOT NULL DEFAULT 0 CHECK (rehearsals IN (0, 1));

-- +goose Down
ALTER TABLE webhook_endpoint DROP COLUMN rehearsals;

-- +goose Up

-- A reason has 500 characters, of at most four bytes each.
ALTER TABLE audit_log MODIFY reason VARBINARY(2000) NOT NULL;

-- +goose Down
ALTER TABLE audit_log MODIFY reason VARBINARY(600) NOT NULL;

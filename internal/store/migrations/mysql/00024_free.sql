-- +goose Up

-- A price may be zero. MariaDB has the check in the column; MySQL has it by name, and there it can only be switched off in a way that
-- can be repeated.
ALTER TABLE sku MODIFY price_minor BIGINT NOT NULL /*M! CHECK (price_minor >= 0) */ /*!80016 , ALTER CHECK sku_chk_1 NOT ENFORCED */;

-- +goose Down
ALTER TABLE sku MODIFY price_minor BIGINT NOT NULL /*M! CHECK (price_minor > 0) */ /*!80016 , ALTER CHECK sku_chk_1 ENFORCED */;

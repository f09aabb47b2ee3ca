-- +goose Up

-- A price may be zero.
ALTER TABLE sku DROP CONSTRAINT sku_price_minor_check;
ALTER TABLE sku ADD CONSTRAINT sku_price_minor_check CHECK (price_minor >= 0);

-- +goose Down
ALTER TABLE sku DROP CONSTRAINT sku_price_minor_check;
ALTER TABLE sku ADD CONSTRAINT sku_price_minor_check CHECK (price_minor > 0);

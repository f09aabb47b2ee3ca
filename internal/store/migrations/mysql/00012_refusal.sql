-- +goose Up

CREATE TABLE IF NOT EXISTS refusal (
    order_id    BIGINT      NOT NULL PRIMARY KEY,
    sale_id     BIGINT      NOT NULL,
    customer_id BIGINT      NOT NULL,
    code        VARCHAR(64) NOT NULL,
    sku_id      BIGINT      NOT NULL,
    instead_id  BIGINT      NOT NULL,
    at          BIGINT      NOT NULL
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS refusal;

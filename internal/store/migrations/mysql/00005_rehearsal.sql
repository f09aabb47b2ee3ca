-- +goose Up

-- The columns that SQLite's migration adds to product and sale are in those tables from the beginning.
CREATE TABLE IF NOT EXISTS rehearsal (
    first_customer_id  BIGINT          NOT NULL PRIMARY KEY,
    sale_id            BIGINT          UNIQUE,
    title              VARBINARY(1100) NOT NULL UNIQUE,
    skus               INT             NOT NULL,
    units              BIGINT          NOT NULL,
    price              BIGINT          NOT NULL,
    currency           VARCHAR(3)      NOT NULL,
    limit_per_customer BIGINT          NOT NULL,
    payment_ms         BIGINT          NOT NULL,
    starts_at          BIGINT          NOT NULL,
    ends_at            BIGINT          NOT NULL,
    shoppers           INT             NOT NULL CHECK (shoppers > 0),
    created_at         BIGINT          NOT NULL
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS rehearsal;

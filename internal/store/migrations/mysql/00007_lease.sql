-- +goose Up

CREATE TABLE IF NOT EXISTS lease (
    name   VARBINARY(255) NOT NULL PRIMARY KEY,
    holder VARBINARY(255) NOT NULL,
    fence  BIGINT         NOT NULL CHECK (fence >= 0),
    until  BIGINT         NOT NULL
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS lease;

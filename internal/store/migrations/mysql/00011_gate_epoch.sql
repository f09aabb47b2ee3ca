-- +goose Up

CREATE TABLE IF NOT EXISTS gate_epoch (
    id       TINYINT         NOT NULL PRIMARY KEY CHECK (id = 1),
    number   BIGINT          NOT NULL CHECK (number >= 0),
    ready    TINYINT         NOT NULL CHECK (ready IN (0, 1)),
    position BIGINT          NOT NULL,
    engine   VARBINARY(4000) NOT NULL
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO gate_epoch (id, number, ready, position, engine) VALUES (1, 0, 0, 0, '');

-- +goose Down
DROP TABLE IF EXISTS gate_epoch;

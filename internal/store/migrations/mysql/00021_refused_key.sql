-- +goose Up

-- Keys that were refused while another process may have held an undecided order of them: see the migration of SQLite.
CREATE TABLE IF NOT EXISTS refused_key (
    sale_id     BIGINT         NOT NULL,
    customer_id BIGINT         NOT NULL,
    idem_key    VARBINARY(768) NOT NULL,
    fence       BIGINT         NOT NULL,
    at          BIGINT         NOT NULL,
    PRIMARY KEY (sale_id, customer_id, idem_key),
    KEY refused_key_at (at)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS refusal_fence (
    id     TINYINT NOT NULL PRIMARY KEY CHECK (id = 1),
    newest BIGINT  NOT NULL CHECK (newest >= 0)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO refusal_fence (id, newest) VALUES (1, 0);

-- +goose Down

DROP TABLE IF EXISTS refusal_fence;
DROP TABLE IF EXISTS refused_key;

-- +goose Up

-- Changes of live settings: see the migration of SQLite.
CREATE TABLE IF NOT EXISTS setting_change (
    number     BIGINT          NOT NULL PRIMARY KEY CHECK (number > 0),
    layer      MEDIUMTEXT      NOT NULL,
    undoes     BIGINT          NOT NULL,
    stands     BIGINT          NOT NULL,
    actor      VARBINARY(500)  NOT NULL,
    key_id     BIGINT          NOT NULL,
    reason     VARBINARY(2000) NOT NULL,
    created_at BIGINT          NOT NULL,
    file       MEDIUMTEXT      NOT NULL,
    CONSTRAINT setting_change_before CHECK (undoes >= 0 AND undoes < number AND stands >= 0 AND stands <= number)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS setting_change;

-- +goose Up

-- Changes of live settings: see the migration of SQLite.
CREATE TABLE setting_change (
    number     BIGINT PRIMARY KEY CHECK (number > 0),
    layer      TEXT COLLATE "C" NOT NULL,
    undoes     BIGINT NOT NULL CHECK (undoes >= 0 AND undoes < number),
    stands     BIGINT NOT NULL CHECK (stands >= 0 AND stands <= number),
    actor      TEXT COLLATE "C" NOT NULL,
    key_id     BIGINT NOT NULL,
    reason     TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    file       TEXT COLLATE "C" NOT NULL
);

-- +goose Down
DROP TABLE setting_change;

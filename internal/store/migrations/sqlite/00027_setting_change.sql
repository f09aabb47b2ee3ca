-- +goose Up

-- Changes of live settings. The newest row is in force: layer is the whole live layer after the change, a JSON object from path to text.
-- An undo is a row, too: undoes is the change that it took back, zero for none. stands is the newest change that stands after the row, zero
-- for none; the next undo takes that one back. file is what a configuration file said before and after, a JSON object by path; empty for a
-- change that was not made in a file.
CREATE TABLE setting_change (
    number     INTEGER PRIMARY KEY CHECK (number > 0),
    layer      TEXT    NOT NULL,
    undoes     INTEGER NOT NULL CHECK (undoes >= 0 AND undoes < number),
    stands     INTEGER NOT NULL CHECK (stands >= 0 AND stands <= number),
    actor      TEXT    NOT NULL,
    key_id     INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    file       TEXT    NOT NULL
);

-- +goose Down

DROP TABLE setting_change;

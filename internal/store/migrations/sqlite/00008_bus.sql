-- +goose Up

-- How far each group of consumers has read the outbox. fence is that of the lease under which the row was written last.
CREATE TABLE bus_cursor (
    consumer TEXT    PRIMARY KEY,
    position INTEGER NOT NULL CHECK (position >= 0),
    fence    INTEGER NOT NULL CHECK (fence >= 0)
) WITHOUT ROWID;

-- Messages that wait for another try, or behind one of their key. They are copies: the outbox may be trimmed meanwhile.
CREATE TABLE bus_parked (
    consumer   TEXT    NOT NULL,
    message_id INTEGER NOT NULL,
    msg_key    TEXT    NOT NULL,
    type       TEXT    NOT NULL,
    payload    BLOB    NOT NULL,
    at         INTEGER NOT NULL,
    try        INTEGER NOT NULL CHECK (try > 0),
    reason     TEXT    NOT NULL,
    due_at     INTEGER NOT NULL,
    PRIMARY KEY (consumer, message_id)
) WITHOUT ROWID;

-- To find whether an earlier message of a key still waits for its time.
CREATE INDEX bus_parked_key ON bus_parked (consumer, msg_key, message_id, due_at);

-- What groups have given up. Numbers are not used again: an operator who was told one never hits another letter.
CREATE TABLE dead_letter (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    topic      TEXT    NOT NULL,
    consumer   TEXT    NOT NULL,
    message_id INTEGER NOT NULL,
    msg_key    TEXT    NOT NULL,
    type       TEXT    NOT NULL,
    payload    BLOB    NOT NULL,
    at         INTEGER NOT NULL,
    tries      INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    died_at    INTEGER NOT NULL,
    UNIQUE (topic, consumer, message_id)
);

-- +goose Down
DROP TABLE dead_letter;
DROP TABLE bus_parked;
DROP TABLE bus_cursor;

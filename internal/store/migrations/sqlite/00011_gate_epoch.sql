-- +goose Up

-- Which life of the gate counts, where several processes share one: a rebuild takes the next number. engine names the servers
-- that hold the gate, position is that of the snapshot it was rebuilt from. One row.
CREATE TABLE gate_epoch (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    number   INTEGER NOT NULL CHECK (number >= 0),
    ready    INTEGER NOT NULL CHECK (ready IN (0, 1)),
    position INTEGER NOT NULL,
    engine   TEXT    NOT NULL
);

INSERT INTO gate_epoch (id, number, ready, position, engine)
VALUES (1, 0, 0, 0, '');

-- +goose Down

DROP TABLE gate_epoch;

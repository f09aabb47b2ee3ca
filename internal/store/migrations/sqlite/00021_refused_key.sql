-- +goose Up

-- Keys that were refused while another process may have held an undecided order of them. What was asked for before a key's refusal
-- is not committed after it: a draft says which refusal was the newest that its process knew of. A refusal binds no key: what is
-- asked for afterwards knows it.
CREATE TABLE refused_key (
    sale_id     INTEGER NOT NULL,
    customer_id INTEGER NOT NULL,
    idem_key    TEXT    NOT NULL,
    fence       INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (sale_id, customer_id, idem_key)
) WITHOUT ROWID;

CREATE INDEX refused_key_at ON refused_key (at);

-- The number of the newest refusal. One row.
CREATE TABLE refusal_fence (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    newest INTEGER NOT NULL CHECK (newest >= 0)
);

INSERT INTO refusal_fence (id, newest)
VALUES (1, 0);

-- +goose Down

DROP TABLE refusal_fence;
DROP TABLE refused_key;

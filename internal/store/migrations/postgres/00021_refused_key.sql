-- +goose Up

-- Keys that were refused while another process may have held an undecided order of them: see the migration of SQLite.
CREATE TABLE refused_key (
    sale_id     BIGINT NOT NULL,
    customer_id BIGINT NOT NULL,
    idem_key    TEXT COLLATE "C" NOT NULL,
    fence       BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (sale_id, customer_id, idem_key)
);

CREATE INDEX refused_key_at ON refused_key (at);

CREATE TABLE refusal_fence (
    id     BIGINT PRIMARY KEY CHECK (id = 1),
    newest BIGINT NOT NULL CHECK (newest >= 0)
) WITH (fillfactor = 50);

INSERT INTO refusal_fence (id, newest) VALUES (1, 0);

-- +goose Down
DROP TABLE refusal_fence;
DROP TABLE refused_key;

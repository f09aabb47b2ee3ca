-- +goose Up

-- What was made for a rehearsal stands in the same tables as everything else and is left out of the lists.
ALTER TABLE product ADD COLUMN rehearsal INTEGER NOT NULL DEFAULT 0 CHECK (rehearsal IN (0, 1));
ALTER TABLE sale ADD COLUMN rehearsal INTEGER NOT NULL DEFAULT 0 CHECK (rehearsal IN (0, 1));

-- Named by the first of its customers: a block that nobody else has. sale_id is NULL while it is being made.
CREATE TABLE rehearsal (
    first_customer_id  INTEGER PRIMARY KEY,
    sale_id            INTEGER UNIQUE,
    title              TEXT    NOT NULL UNIQUE,
    skus               INTEGER NOT NULL,
    units              INTEGER NOT NULL,
    price              INTEGER NOT NULL,
    currency           TEXT    NOT NULL,
    limit_per_customer INTEGER NOT NULL,
    payment_ms         INTEGER NOT NULL,
    starts_at          INTEGER NOT NULL,
    ends_at            INTEGER NOT NULL,
    shoppers           INTEGER NOT NULL CHECK (shoppers > 0),
    created_at         INTEGER NOT NULL
);

-- +goose Down

DROP TABLE rehearsal;
ALTER TABLE sale DROP COLUMN rehearsal;
ALTER TABLE product DROP COLUMN rehearsal;

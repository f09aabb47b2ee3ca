-- +goose Up

-- What a customer holds of general stock unpaid is counted by the statement that inserts the next such order. Orders in sales are
-- not in this index.
CREATE INDEX orders_unpaid ON orders (customer_id, units) WHERE sale_id = 0 AND status = 'pending';

-- +goose Down
DROP INDEX orders_unpaid;

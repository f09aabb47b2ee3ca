-- +goose Up

-- The tables as they are on SQLite and MySQL after their migration of the same number; what is said there of a table is not repeated here. Numbers
-- go on in step with theirs.
--
-- No foreign keys. Texts that are compared or are keys compare by bytes (COLLATE "C"). Where many transactions write a row, its page has
-- room for the versions that follow (fillfactor).

CREATE TABLE product (
    id          BIGINT PRIMARY KEY,
    handle      TEXT COLLATE "C" NOT NULL UNIQUE,
    title       TEXT NOT NULL,
    description TEXT NOT NULL,
    status      TEXT COLLATE "C" NOT NULL CHECK (status IN ('draft', 'published', 'retired')),
    brand_id    BIGINT NOT NULL,
    options     TEXT COLLATE "C" NOT NULL,
    attributes  TEXT COLLATE "C" NOT NULL,
    pictures    TEXT COLLATE "C" NOT NULL,
    version     BIGINT NOT NULL CHECK (version > 0),
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    rehearsal   BIGINT NOT NULL DEFAULT 0 CHECK (rehearsal IN (0, 1))
);

CREATE INDEX product_by_status ON product (status, id);
CREATE INDEX product_by_brand ON product (brand_id, status, id);

CREATE TABLE sku (
    id          BIGINT PRIMARY KEY,
    product_id  BIGINT NOT NULL,
    position    BIGINT NOT NULL,
    code        TEXT COLLATE "C" NOT NULL UNIQUE,
    options     TEXT COLLATE "C" NOT NULL,
    price_minor BIGINT NOT NULL CHECK (price_minor > 0),
    currency    TEXT COLLATE "C" NOT NULL,
    retired     BIGINT NOT NULL CHECK (retired IN (0, 1))
);

CREATE INDEX sku_by_product ON sku (product_id, position);

CREATE TABLE category (
    id        BIGINT PRIMARY KEY,
    handle    TEXT COLLATE "C" NOT NULL UNIQUE,
    title     TEXT COLLATE "C" NOT NULL,
    parent_id BIGINT NOT NULL,
    UNIQUE (parent_id, title)
);

CREATE TABLE brand (
    id     BIGINT PRIMARY KEY,
    handle TEXT COLLATE "C" NOT NULL UNIQUE,
    title  TEXT COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE product_category (
    category_id BIGINT NOT NULL,
    product_id  BIGINT NOT NULL,
    direct      BIGINT NOT NULL CHECK (direct IN (0, 1)),
    PRIMARY KEY (category_id, product_id)
);

CREATE INDEX product_category_by_product ON product_category (product_id);

CREATE TABLE product_most_read (
    position   BIGINT PRIMARY KEY,
    product_id BIGINT NOT NULL
);

CREATE TABLE customer (
    id            BIGINT PRIMARY KEY,
    email         TEXT COLLATE "C" NOT NULL UNIQUE,
    password_hash TEXT COLLATE "C" NOT NULL,
    created_at    BIGINT NOT NULL,
    blocked_at    BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE session (
    id            BIGINT PRIMARY KEY,
    customer_id   BIGINT NOT NULL,
    family_hash   BYTEA NOT NULL,
    current_hash  BYTEA NOT NULL,
    previous_hash BYTEA NOT NULL,
    salt          BYTEA NOT NULL,
    rotated_at    BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    revoked_at    BIGINT NOT NULL
);

CREATE INDEX session_open ON session (customer_id, id) WHERE revoked_at = 0;
CREATE INDEX session_end ON session (expires_at);

CREATE TABLE revocation (
    session_id BIGINT      PRIMARY KEY,
    "until"    BIGINT      NOT NULL,
    noted      TIMESTAMPTZ NOT NULL DEFAULT CLOCK_TIMESTAMP(),
    position   BIGINT      UNIQUE
);

CREATE INDEX revocation_end ON revocation ("until");
CREATE INDEX revocation_unstamped ON revocation (noted, session_id) WHERE position IS NULL;

CREATE TABLE admin_key (
    id          BIGINT PRIMARY KEY,
    name        TEXT COLLATE "C" NOT NULL,
    roles       TEXT COLLATE "C" NOT NULL,
    secret_hash BYTEA NOT NULL,
    created_at  BIGINT NOT NULL,
    revoked_at  BIGINT NOT NULL
);

CREATE INDEX admin_key_good ON admin_key (id) WHERE revoked_at = 0;

CREATE TABLE movement (
    id       BIGINT PRIMARY KEY,
    sale_id  BIGINT NOT NULL,
    sku_id   BIGINT NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL CHECK (kind = 'reserve' OR kind = 'release' OR kind = 'sell' OR kind = 'return' OR kind = 'receive' OR kind = 'adjust' OR kind = 'allocate'),
    units    BIGINT NOT NULL CHECK (units <> 0),
    order_id BIGINT NOT NULL,
    actor    TEXT COLLATE "C" NOT NULL,
    reason   TEXT COLLATE "C" NOT NULL,
    at       BIGINT NOT NULL,
    pools    TEXT COLLATE "C"
);

CREATE INDEX movement_by_hand ON movement (sku_id, id) WHERE order_id = 0 AND kind <> 'reserve';

CREATE TABLE adjustment (
    idem_key    TEXT COLLATE "C" PRIMARY KEY,
    movement_id BIGINT NOT NULL,
    sku_id      BIGINT NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    units       BIGINT NOT NULL,
    reason      TEXT COLLATE "C" NOT NULL
);

CREATE TABLE sale (
    id                 BIGINT PRIMARY KEY,
    title              TEXT COLLATE "C" NOT NULL,
    status             TEXT COLLATE "C" NOT NULL CHECK (status IN ('draft', 'scheduled', 'live', 'paused', 'ended')),
    starts_at          BIGINT NOT NULL,
    ends_at            BIGINT NOT NULL CHECK (ends_at > starts_at),
    limit_per_customer BIGINT NOT NULL CHECK (limit_per_customer >= 0),
    payment_ms         BIGINT NOT NULL CHECK (payment_ms > 0),
    version            BIGINT NOT NULL,
    created_at         BIGINT NOT NULL,
    updated_at         BIGINT NOT NULL,
    rehearsal          BIGINT NOT NULL DEFAULT 0 CHECK (rehearsal IN (0, 1)),
    shows_left         TEXT COLLATE "C" NOT NULL DEFAULT 'exact' CHECK (shows_left IN ('exact', 'coarse'))
);

CREATE INDEX sale_open ON sale (status) WHERE status <> 'ended';

CREATE TABLE sale_item (
    sale_id    BIGINT NOT NULL,
    sku_id     BIGINT NOT NULL,
    product_id BIGINT NOT NULL,
    price      BIGINT NOT NULL CHECK (price >= 0),
    list_price BIGINT NOT NULL CHECK (list_price >= 0),
    currency   TEXT COLLATE "C" NOT NULL,
    allocation BIGINT NOT NULL CHECK (allocation >= 0),
    PRIMARY KEY (sale_id, sku_id)
);

CREATE TABLE orders (
    id          BIGINT PRIMARY KEY,
    sale_id     BIGINT NOT NULL,
    customer_id BIGINT NOT NULL,
    idem_key    TEXT COLLATE "C" NOT NULL,
    body_hash   BYTEA NOT NULL,
    status      TEXT COLLATE "C" NOT NULL CHECK (status = 'pending' OR status = 'paid' OR status = 'fulfilled' OR status = 'expired' OR status = 'cancelled' OR status = 'refunded'),
    "lines"     TEXT COLLATE "C" NOT NULL,
    units       BIGINT NOT NULL CHECK (units > 0),
    total       BIGINT NOT NULL CHECK (total >= 0),
    currency    TEXT COLLATE "C" NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    paid_at     BIGINT NOT NULL DEFAULT 0,
    closed_at   BIGINT NOT NULL DEFAULT 0,
    UNIQUE (sale_id, customer_id, idem_key)
);

CREATE INDEX orders_due ON orders (expires_at) WHERE status = 'pending';

CREATE TABLE outbox (
    id       BYTEA       PRIMARY KEY,
    position BIGINT      UNIQUE,
    count    BIGINT      NOT NULL DEFAULT 1 CHECK (count > 0),
    type     TEXT        COLLATE "C" NOT NULL,
    subject  BIGINT      NOT NULL,
    payload  BYTEA       NOT NULL,
    at       BIGINT      NOT NULL,
    noted    TIMESTAMPTZ NOT NULL DEFAULT CLOCK_TIMESTAMP()
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX outbox_unstamped ON outbox (noted, id) WHERE position IS NULL;
CREATE INDEX outbox_gate ON outbox (position) WHERE type IN ('stock.moved.v1', 'sale.changed.v1');

CREATE TABLE payment_attempt (
    id         BIGINT PRIMARY KEY,
    order_id   BIGINT NOT NULL,
    provider   TEXT COLLATE "C" NOT NULL,
    status     TEXT COLLATE "C" NOT NULL CHECK (status IN ('starting', 'open', 'succeeded', 'failed', 'closed')),
    amount     BIGINT NOT NULL CHECK (amount >= 0),
    currency   TEXT COLLATE "C" NOT NULL,
    reference  TEXT COLLATE "C" NOT NULL,
    pay_url    TEXT COLLATE "C" NOT NULL,
    pays       BIGINT NOT NULL CHECK (pays = 0 OR pays = 1 AND status = 'succeeded'),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    look_at    BIGINT NOT NULL,
    settled_at BIGINT NOT NULL
);

CREATE INDEX payment_attempt_of ON payment_attempt (order_id, id);
CREATE UNIQUE INDEX payment_attempt_live ON payment_attempt (order_id) WHERE status IN ('starting', 'open');
CREATE UNIQUE INDEX payment_attempt_pays ON payment_attempt (order_id) WHERE pays = 1;
CREATE INDEX payment_attempt_look ON payment_attempt (look_at) WHERE status IN ('starting', 'open');

CREATE TABLE refund (
    id         BIGINT PRIMARY KEY,
    order_id   BIGINT NOT NULL,
    attempt_id BIGINT NOT NULL UNIQUE,
    provider   TEXT COLLATE "C" NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL CHECK (kind IN ('order', 'surplus')),
    status     TEXT COLLATE "C" NOT NULL CHECK (status IN ('requested', 'succeeded', 'failed')),
    amount     BIGINT NOT NULL CHECK (amount >= 0),
    currency   TEXT COLLATE "C" NOT NULL,
    restock    BIGINT NOT NULL CHECK (restock IN (0, 1)),
    reason     TEXT COLLATE "C" NOT NULL,
    actor      TEXT COLLATE "C" NOT NULL,
    round      BIGINT NOT NULL CHECK (round > 0),
    refusal    TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    look_at    BIGINT NOT NULL,
    settled_at BIGINT NOT NULL
);

CREATE INDEX refund_of ON refund (order_id, id);
CREATE INDEX refund_look ON refund (look_at) WHERE status = 'requested';

CREATE TABLE sandbox_payment (
    attempt_id BIGINT PRIMARY KEY,
    order_id   BIGINT NOT NULL,
    token      TEXT COLLATE "C" NOT NULL UNIQUE,
    status     TEXT COLLATE "C" NOT NULL CHECK (status IN ('waiting', 'paid', 'declined', 'ended')),
    amount     BIGINT NOT NULL,
    currency   TEXT COLLATE "C" NOT NULL,
    refunded   BIGINT NOT NULL CHECK (refunded >= 0 AND refunded <= amount),
    script     BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    settled_at BIGINT NOT NULL
);

CREATE TABLE sandbox_refund (
    idem_key   TEXT COLLATE "C" PRIMARY KEY,
    attempt_id BIGINT NOT NULL,
    amount     BIGINT NOT NULL,
    currency   TEXT COLLATE "C" NOT NULL,
    at         BIGINT NOT NULL
);

CREATE TABLE sandbox_notification (
    id         BIGINT PRIMARY KEY,
    attempt_id BIGINT NOT NULL,
    body       BYTEA NOT NULL,
    forged     BIGINT NOT NULL,
    age_ms     BIGINT NOT NULL,
    tries      BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    done_at    BIGINT NOT NULL,
    answer     TEXT COLLATE "C" NOT NULL
);

CREATE INDEX sandbox_notification_due ON sandbox_notification (due_at) WHERE done_at = 0;

CREATE TABLE rehearsal (
    first_customer_id  BIGINT PRIMARY KEY,
    sale_id            BIGINT UNIQUE,
    title              TEXT COLLATE "C" NOT NULL UNIQUE,
    skus               BIGINT NOT NULL,
    units              BIGINT NOT NULL,
    price              BIGINT NOT NULL,
    currency           TEXT COLLATE "C" NOT NULL,
    limit_per_customer BIGINT NOT NULL,
    payment_ms         BIGINT NOT NULL,
    starts_at          BIGINT NOT NULL,
    ends_at            BIGINT NOT NULL,
    shoppers           BIGINT NOT NULL CHECK (shoppers > 0),
    created_at         BIGINT NOT NULL
);

CREATE TABLE lease (
    name    TEXT COLLATE "C" PRIMARY KEY,
    holder  TEXT COLLATE "C" NOT NULL,
    fence   BIGINT NOT NULL CHECK (fence >= 0),
    "until" BIGINT NOT NULL
);

CREATE TABLE bus_cursor (
    consumer TEXT COLLATE "C" PRIMARY KEY,
    position BIGINT NOT NULL CHECK (position >= 0),
    fence    BIGINT NOT NULL CHECK (fence >= 0)
);

CREATE TABLE bus_parked (
    consumer   TEXT COLLATE "C" NOT NULL,
    message_id BIGINT NOT NULL,
    msg_key    TEXT COLLATE "C" NOT NULL,
    type       TEXT COLLATE "C" NOT NULL,
    payload    BYTEA NOT NULL,
    at         BIGINT NOT NULL,
    try        BIGINT NOT NULL CHECK (try > 0),
    reason     TEXT COLLATE "C" NOT NULL,
    due_at     BIGINT NOT NULL,
    PRIMARY KEY (consumer, message_id)
);

CREATE INDEX bus_parked_key ON bus_parked (consumer, msg_key, message_id, due_at);

CREATE TABLE dead_letter (
    number     BIGINT PRIMARY KEY,
    topic      TEXT COLLATE "C" NOT NULL,
    consumer   TEXT COLLATE "C" NOT NULL,
    message_id BIGINT NOT NULL,
    msg_key    TEXT COLLATE "C" NOT NULL,
    type       TEXT COLLATE "C" NOT NULL,
    payload    BYTEA NOT NULL,
    at         BIGINT NOT NULL,
    tries      BIGINT NOT NULL,
    reason     TEXT COLLATE "C" NOT NULL,
    died_at    BIGINT NOT NULL,
    UNIQUE (topic, consumer, message_id)
);

CREATE TABLE points_entry (
    order_id    BIGINT NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL CHECK (kind IN ('earned', 'taken_back')),
    customer_id BIGINT NOT NULL,
    points      BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (order_id, kind)
);

CREATE INDEX points_by_customer ON points_entry (customer_id, order_id);

CREATE TABLE webhook_endpoint (
    id                  BIGINT PRIMARY KEY,
    url                 TEXT COLLATE "C" NOT NULL,
    description         TEXT COLLATE "C" NOT NULL,
    types               TEXT COLLATE "C" NOT NULL,
    secret              TEXT COLLATE "C" NOT NULL,
    status              TEXT COLLATE "C" NOT NULL CHECK (status IN ('active', 'paused')),
    paused_reason       TEXT COLLATE "C" NOT NULL,
    failing_since       BIGINT NOT NULL,
    last_error          TEXT COLLATE "C" NOT NULL,
    delivered_at        BIGINT NOT NULL,
    created_at          BIGINT NOT NULL,
    secret_before       TEXT COLLATE "C" NOT NULL DEFAULT '',
    secret_before_until BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE webhook_delivery (
    number      BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    endpoint_id BIGINT NOT NULL,
    position    BIGINT NOT NULL,
    type        TEXT COLLATE "C" NOT NULL,
    payload     BYTEA NOT NULL,
    at          BIGINT NOT NULL,
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    tries       BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    last_status BIGINT NOT NULL,
    last_error  TEXT COLLATE "C" NOT NULL,
    settled_at  BIGINT NOT NULL,
    UNIQUE (endpoint_id, position)
);

CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint_id, state, due_at);

CREATE TABLE notification (
    position    BIGINT PRIMARY KEY,
    type        TEXT COLLATE "C" NOT NULL,
    order_id    BIGINT NOT NULL,
    customer_id BIGINT NOT NULL,
    payload     BYTEA NOT NULL,
    state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'nobody')),
    tries       BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    last_error  TEXT COLLATE "C" NOT NULL,
    settled_at  BIGINT NOT NULL
);

CREATE INDEX notification_due ON notification (state, due_at);

CREATE TABLE gate_epoch (
    id       BIGINT PRIMARY KEY CHECK (id = 1),
    number   BIGINT NOT NULL CHECK (number >= 0),
    ready    BIGINT NOT NULL CHECK (ready IN (0, 1)),
    position BIGINT NOT NULL,
    engine   TEXT COLLATE "C" NOT NULL
);

CREATE TABLE refusal (
    order_id    BIGINT PRIMARY KEY,
    sale_id     BIGINT NOT NULL,
    customer_id BIGINT NOT NULL,
    code        TEXT COLLATE "C" NOT NULL,
    sku_id      BIGINT NOT NULL,
    instead_id  BIGINT NOT NULL,
    at          BIGINT NOT NULL
);

CREATE TABLE audit_log (
    id      BIGINT PRIMARY KEY,
    at      BIGINT NOT NULL,
    key_id  BIGINT NOT NULL,
    actor   TEXT COLLATE "C" NOT NULL,
    verb    TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    reason  TEXT COLLATE "C" NOT NULL
);

CREATE INDEX audit_log_of ON audit_log (subject, id) WHERE subject <> '';

CREATE TABLE stock (
    sale_id  BIGINT NOT NULL,
    sku_id   BIGINT NOT NULL,
    on_hand  BIGINT NOT NULL CHECK (on_hand >= 0),
    reserved BIGINT NOT NULL,
    sold     BIGINT NOT NULL CHECK (sold >= 0),
    PRIMARY KEY (sale_id, sku_id),
    CONSTRAINT stock_reserved CHECK (reserved >= 0 AND reserved <= on_hand)
) WITH (fillfactor = 50);

CREATE INDEX stock_by_sku ON stock (sku_id, sale_id);

-- What a customer has had of a sale is the sum of their orders. This row is what those who add it up at once wait for: batches counts those who
-- did. Only sales with a limit have such rows.
CREATE TABLE allowance (
    sale_id     BIGINT NOT NULL,
    customer_id BIGINT NOT NULL,
    batches     BIGINT NOT NULL,
    PRIMARY KEY (sale_id, customer_id)
) WITH (fillfactor = 80);

-- The last position or number that was given out, for each table that is stamped or numbered.
CREATE TABLE stamp (
    name     TEXT COLLATE "C" PRIMARY KEY,
    position BIGINT NOT NULL
) WITH (fillfactor = 50);

INSERT INTO stamp (name, position) VALUES ('outbox', 0), ('revocation', 0), ('dead_letter', 0);

-- One row for each transaction that is no batch of orders: whoever lost the answer to its COMMIT inserts it once more.
CREATE TABLE marker (
    id    BYTEA       PRIMARY KEY,
    noted TIMESTAMPTZ NOT NULL DEFAULT CLOCK_TIMESTAMP()
) WITH (autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX marker_noted ON marker (noted);

-- The primary's pulse: a replica is as far behind as the pulse that has reached it is old.
CREATE TABLE pulse (
    name  TEXT COLLATE "C" PRIMARY KEY,
    beats BIGINT NOT NULL
) WITH (fillfactor = 50);

INSERT INTO gate_epoch (id, number, ready, position, engine) VALUES (1, 0, 0, 0, '');

-- +goose Down
DROP TABLE pulse;
DROP TABLE marker;
DROP TABLE stamp;
DROP TABLE allowance;
DROP TABLE stock;
DROP TABLE audit_log;
DROP TABLE refusal;
DROP TABLE gate_epoch;
DROP TABLE notification;
DROP TABLE webhook_delivery;
DROP TABLE webhook_endpoint;
DROP TABLE points_entry;
DROP TABLE dead_letter;
DROP TABLE bus_parked;
DROP TABLE bus_cursor;
DROP TABLE lease;
DROP TABLE rehearsal;
DROP TABLE sandbox_notification;
DROP TABLE sandbox_refund;
DROP TABLE sandbox_payment;
DROP TABLE refund;
DROP TABLE payment_attempt;
DROP TABLE outbox;
DROP TABLE orders;
DROP TABLE sale_item;
DROP TABLE sale;
DROP TABLE adjustment;
DROP TABLE movement;
DROP TABLE admin_key;
DROP TABLE revocation;
DROP TABLE session;
DROP TABLE customer;
DROP TABLE product_most_read;
DROP TABLE product_category;
DROP TABLE brand;
DROP TABLE category;
DROP TABLE sku;
DROP TABLE product;

-- +goose Up

CREATE TABLE IF NOT EXISTS bus_cursor (
    consumer VARBINARY(255) NOT NULL PRIMARY KEY,
    position BIGINT         NOT NULL CHECK (position >= 0),
    fence    BIGINT         NOT NULL CHECK (fence >= 0)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS bus_parked (
    consumer   VARBINARY(255) NOT NULL,
    message_id BIGINT         NOT NULL,
    msg_key    VARBINARY(255) NOT NULL,
    type       VARCHAR(100)   NOT NULL,
    payload    MEDIUMBLOB     NOT NULL,
    at         BIGINT         NOT NULL,
    try        INT            NOT NULL CHECK (try > 0),
    reason     TEXT           NOT NULL,
    due_at     BIGINT         NOT NULL,
    PRIMARY KEY (consumer, message_id),
    KEY bus_parked_key (consumer, msg_key, message_id, due_at)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

-- Numbers come from stamp.
CREATE TABLE IF NOT EXISTS dead_letter (
    number     BIGINT         NOT NULL PRIMARY KEY,
    topic      VARBINARY(100) NOT NULL,
    consumer   VARBINARY(255) NOT NULL,
    message_id BIGINT         NOT NULL,
    msg_key    VARBINARY(255) NOT NULL,
    type       VARCHAR(100)   NOT NULL,
    payload    MEDIUMBLOB     NOT NULL,
    at         BIGINT         NOT NULL,
    tries      INT            NOT NULL,
    reason     TEXT           NOT NULL,
    died_at    BIGINT         NOT NULL,
    UNIQUE KEY dead_letter_message (topic, consumer, message_id)
) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO stamp (name, position) VALUES ('dead_letter', 0);

-- +goose Down
DELETE FROM stamp WHERE name = 'dead_letter';
DROP TABLE IF EXISTS dead_letter;
DROP TABLE IF EXISTS bus_parked;
DROP TABLE IF EXISTS bus_cursor;

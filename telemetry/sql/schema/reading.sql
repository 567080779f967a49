-- The hypertable. No foreign keys: they halve the insert rate and deadlock with the creation of
-- chunks (timescaledb#4800). text and numeric(15,4) as the contract has them.
CREATE TABLE reading (
    time timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    account_id bigint NOT NULL,
    gateway_id bigint NOT NULL,
    device_id bigint NOT NULL,
    value numeric(15, 4) NOT NULL,
    unit text NOT NULL,
    raw jsonb
);
SELECT create_hypertable('reading', 'time',
    chunk_time_interval => interval '1 day', create_default_indexes => false);
-- The key that makes a reading unique, in an order that serves a device's series.
CREATE UNIQUE INDEX reading_key ON reading (device_id, time);
CREATE INDEX reading_account_time ON reading (account_id, time);

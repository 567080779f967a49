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

-- The key that makes a reading unique, in an order that serves a device's series. It carries what
-- aggregates and charts ask of a device's readings: those lie in as many pages of the table as there
-- are readings, for they come minute by minute, and side by side in the key. That costs 32 bytes a
-- reading (telemetry/DECISIONS.md, 31).
CREATE UNIQUE INDEX reading_key ON reading (device_id, time)
    INCLUDE (value, account_id, received_at);
-- There is no index by account and time: storing a reading would cost the database half as much
-- again, and a third more room. Series are found by device. The newest readings of all devices are
-- found by an index of page ranges, which costs next to nothing, as readings come roughly in the
-- order of time.
CREATE INDEX reading_time ON reading USING brin (time) WITH (pages_per_range = 32);

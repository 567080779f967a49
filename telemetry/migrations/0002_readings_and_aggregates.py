"""Readings in TimescaleDB's hypertable, and what is computed from them."""

from django.db import migrations

from telemetry.store.db.edition import read_edition

READINGS = """\
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
"""

HOURLY_AGGREGATE_APACHE = """\
-- Apache edition: a table, of which refresh_hourly (store/aggregates/hours.sql) computes the affected hours again.
CREATE TABLE hourly_aggregate (
    device_id bigint NOT NULL,
    account_id bigint NOT NULL,
    hour timestamptz NOT NULL,
    total numeric NOT NULL,
    mean numeric NOT NULL,
    minimum numeric(15, 4) NOT NULL,
    maximum numeric(15, 4) NOT NULL,
    first numeric(15, 4) NOT NULL,
    last numeric(15, 4) NOT NULL,
    readings_count bigint NOT NULL,
    PRIMARY KEY (device_id, hour)
);
CREATE INDEX hourly_aggregate_account_hour ON hourly_aggregate (account_id, hour);
"""

HOURLY_AGGREGATE_COMMUNITY = """\
-- Community edition: a continuous aggregate with the same columns. Only what was refreshed is
-- shown, as in the other edition. Buckets are UTC hours: in a
-- named time zone they can stay stale. An hour is the account's that its first received reading names.
CREATE MATERIALIZED VIEW hourly_aggregate
WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
SELECT device_id, first(account_id, received_at) AS account_id, time_bucket(interval '1 hour', time) AS hour,
    sum(value) AS total, avg(value) AS mean, min(value) AS minimum, max(value) AS maximum,
    first(value, time) AS first, last(value, time) AS last, count(*) AS readings_count
FROM reading
GROUP BY device_id, time_bucket(interval '1 hour', time)
WITH NO DATA;
"""

AGGREGATES = """\
-- What is computed from readings beside the hourly aggregates. Only the refresh writes these
-- tables (telemetry/store/aggregates/README.md); every row can be made again from readings and replacements.

-- Hours of cumulative devices. `within` is what was consumed between the readings of the hour; the
-- rest of `consumption` is the step from the last reading before it to the first one in it. With
-- both ends kept, a late reading changes the hour after it without reading that hour again.
CREATE TABLE hourly_consumption (
    device_id bigint NOT NULL,
    hour timestamptz NOT NULL,
    account_id bigint NOT NULL,
    consumption numeric NOT NULL,
    within numeric NOT NULL,
    first numeric(15, 4) NOT NULL,
    first_at timestamptz NOT NULL,
    last numeric(15, 4) NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (device_id, hour)
);

-- Local days of the account's time zone. `total` is null for gauges. A device that changed
-- accounts has rows of both.
CREATE TABLE daily_aggregate (
    device_id bigint NOT NULL,
    day date NOT NULL,
    account_id bigint NOT NULL,
    total numeric,
    reading_sum numeric NOT NULL,
    minimum numeric(15, 4) NOT NULL,
    maximum numeric(15, 4) NOT NULL,
    first numeric(15, 4) NOT NULL,
    last numeric(15, 4) NOT NULL,
    readings_count bigint NOT NULL,
    intervals_seen numeric NOT NULL,
    PRIMARY KEY (device_id, day, account_id)
);
CREATE INDEX daily_aggregate_account_day ON daily_aggregate (account_id, day);

-- Billing months by their first day: the live figures, and what they were when the month was closed.
CREATE TABLE monthly_total (
    device_id bigint NOT NULL,
    month date NOT NULL,
    account_id bigint NOT NULL,
    total numeric,
    reading_sum numeric NOT NULL,
    minimum numeric(15, 4) NOT NULL,
    maximum numeric(15, 4) NOT NULL,
    first_register numeric(15, 4) NOT NULL,
    last_register numeric(15, 4) NOT NULL,
    readings_count bigint NOT NULL,
    intervals_seen numeric NOT NULL,
    closed_total numeric,
    PRIMARY KEY (device_id, month, account_id)
);
CREATE INDEX monthly_total_account_month ON monthly_total (account_id, month, device_id);
CREATE INDEX monthly_total_month ON monthly_total (month DESC, device_id);

-- Readings before this instant were dropped: hours before it are never computed again.
CREATE TABLE raw_horizon (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    dropped_before timestamptz NOT NULL
);
INSERT INTO raw_horizon (dropped_before) VALUES ('-infinity');

-- Accounts whose months, or days as well, must be computed again: their calendar changed. `cut_to`
-- is how far an account's days have been: devices by id.
CREATE TABLE dirty_account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL,
    cut_days boolean NOT NULL,
    cut_to bigint NOT NULL DEFAULT 0
);
"""


def create_hourly_aggregate(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        is_community = read_edition(cursor) == "community"
        cursor.execute(HOURLY_AGGREGATE_COMMUNITY if is_community else HOURLY_AGGREGATE_APACHE)


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0001_models")]
    replaces = [
        ("telemetry", "0002_timescale"),
        ("telemetry", "0004_reading_index"),
        ("telemetry", "0015_reading_key"),
    ]
    operations = [
        migrations.RunSQL(READINGS),
        migrations.RunPython(create_hourly_aggregate),
        migrations.RunSQL(AGGREGATES),
    ]

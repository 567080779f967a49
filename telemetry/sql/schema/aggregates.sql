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

-- Accounts whose months, or days as well, must be computed again: their calendar changed. `new_days`:
-- its time zone did, so days, too. `last_device_id`: its devices up to this id are done.
CREATE TABLE dirty_account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL,
    new_days boolean NOT NULL,
    last_device_id bigint NOT NULL DEFAULT 0
);

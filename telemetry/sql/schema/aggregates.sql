-- What is computed from readings beside the hourly aggregates. Only the refresh writes these
-- tables (telemetry/store/aggregates/README.md); every row can be made again from readings and installations.

-- Hours of registers and of deltas. `consumption` is that of the steps that end in the hour: `step`,
-- which reaches into the hour from the reading before it (from `step_from` to `step_to`), and
-- `within`, between its readings. With both ends kept, a late reading changes the hour after it
-- without reading that hour again. A gap is a step so long that it is spread over its hours;
-- nothing else is written down of them.
-- Where a register did not simply rise, `steps` lists the steps of the hour ([until, consumed]), and
-- `height` is what it had reached at the hour's end, by the reading of `height_at`; null: by the last
-- one. An hour of a change of meter can have no reading.
CREATE TABLE hourly_consumption (
    device_id bigint NOT NULL,
    hour timestamptz NOT NULL,
    account_id bigint NOT NULL,
    consumption numeric NOT NULL,
    within numeric NOT NULL,
    first numeric(15, 4),
    first_at timestamptz,
    last numeric(15, 4),
    last_at timestamptz,
    step numeric NOT NULL DEFAULT 0,
    step_from timestamptz,
    step_to timestamptz,
    is_gap boolean NOT NULL DEFAULT false,
    height numeric(15, 4),
    height_at timestamptz,
    steps jsonb,
    PRIMARY KEY (device_id, hour)
);
CREATE INDEX hourly_consumption_gap ON hourly_consumption (device_id, hour) WHERE is_gap;
CREATE INDEX hourly_consumption_uneven ON hourly_consumption (device_id, hour)
    WHERE steps IS NOT NULL;

-- Local days of the account's time zone. `total` is null for gauges; `estimated` is what of it comes
-- from gaps that reach beyond the day. A day inside a gap has no readings. A device that changed
-- accounts has rows of both.
CREATE TABLE daily_aggregate (
    device_id bigint NOT NULL,
    day date NOT NULL,
    account_id bigint NOT NULL,
    total numeric,
    reading_sum numeric NOT NULL,
    minimum numeric(15, 4),
    maximum numeric(15, 4),
    first numeric(15, 4),
    last numeric(15, 4),
    readings_count bigint NOT NULL,
    intervals_seen numeric NOT NULL,
    estimated numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (device_id, day, account_id)
);
-- Days, like readings and hours, have no index by account: what an account has is found by its devices. The
-- planner took such an index for each of a thousand devices where it knew nothing of their account yet.

-- Billing months by their first day: the live figures, and what they were when the month was closed.
CREATE TABLE monthly_total (
    device_id bigint NOT NULL,
    month date NOT NULL,
    account_id bigint NOT NULL,
    total numeric,
    reading_sum numeric NOT NULL,
    minimum numeric(15, 4),
    maximum numeric(15, 4),
    first_register numeric(15, 4),
    last_register numeric(15, 4),
    readings_count bigint NOT NULL,
    intervals_seen numeric NOT NULL,
    closed_total numeric,
    estimated numeric NOT NULL DEFAULT 0,
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

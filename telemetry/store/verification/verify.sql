-- name: verify_tables
-- What one slice of the verification is about, for this session and transaction alone. Of differences,
-- `account_id` is null for hours.
CREATE TEMPORARY TABLE IF NOT EXISTS verified_device (
    id bigint PRIMARY KEY
) ON COMMIT DELETE ROWS;
-- Their meters, numbered by device, each after `since`, up to `until`.
CREATE TEMPORARY TABLE IF NOT EXISTS verified_meter (
    device_id bigint NOT NULL,
    number bigint NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    measurement text NOT NULL,
    factor numeric NOT NULL,
    modulus numeric,
    is_net boolean NOT NULL,
    interval_s integer NOT NULL,
    longest_step interval,  -- null: steps are not spread
    old_register numeric,
    first_register numeric,
    is_change boolean NOT NULL,  -- it, or the one before it, counts
    is_after_gauge boolean NOT NULL,
    PRIMARY KEY (device_id, number)
) ON COMMIT DELETE ROWS;
-- What a device had reached before the span that is computed: `value` is its last reading, `height` that
-- of a register, with the reading by which it has it.
CREATE TEMPORARY TABLE IF NOT EXISTS value_before (
    device_id bigint PRIMARY KEY,
    value numeric,
    time timestamptz,
    height numeric,
    height_at timestamptz
) ON COMMIT DELETE ROWS;
-- Devices with registers that do not simply rise in the span, or with a change of meter, with the instant up to which their readings matter.
CREATE TEMPORARY TABLE IF NOT EXISTS uneven_device (
    device_id bigint PRIMARY KEY,
    until timestamptz NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS uneven_step (
    device_id bigint NOT NULL,
    since timestamptz,  -- null: a meter begins here
    at timestamptz NOT NULL,
    consumed numeric NOT NULL,
    height numeric NOT NULL,
    meter bigint NOT NULL,
    number bigint NOT NULL
) ON COMMIT DELETE ROWS;
-- Of days and months.
CREATE TEMPORARY TABLE IF NOT EXISTS verified_account (
    id bigint PRIMARY KEY,
    zones text NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS verified_zone (
    zones text PRIMARY KEY,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL
) ON COMMIT DELETE ROWS;
-- since: the hour of the reading before the first one. A dirty hour from then on concerns the row.
CREATE TEMPORARY TABLE IF NOT EXISTS expected_hour (
    device_id bigint NOT NULL,
    hour timestamptz NOT NULL,
    since timestamptz NOT NULL,
    counts boolean NOT NULL,  -- it is no gauge's
    account_id bigint,
    total numeric,
    mean numeric,
    minimum numeric,
    maximum numeric,
    first numeric,
    first_at timestamptz,
    last numeric,
    last_at timestamptz,
    readings_count bigint,
    consumption numeric,
    within numeric,
    step_from timestamptz,
    step_to timestamptz,
    is_gap boolean,
    height numeric,
    height_at timestamptz,
    PRIMARY KEY (device_id, hour)
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS expected_day (
    device_id bigint NOT NULL,
    day date NOT NULL,
    since timestamptz NOT NULL,
    account_id bigint NOT NULL,
    total numeric,
    reading_sum numeric NOT NULL DEFAULT 0,
    minimum numeric,
    maximum numeric,
    first numeric,
    last numeric,
    readings_count bigint NOT NULL DEFAULT 0,
    intervals_seen numeric NOT NULL DEFAULT 0,
    estimated numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (device_id, day, account_id)
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS difference (
    relation text NOT NULL,
    device_id bigint NOT NULL,
    key text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    since timestamptz NOT NULL,
    account_id bigint,
    status text NOT NULL DEFAULT 'differs',
    actual jsonb,
    expected jsonb
) ON COMMIT DELETE ROWS

-- name: verify_slices
-- UTC days that have readings (by chunk; at its first instant, of the day before) or hourly rows,
-- local days and months that have rows, and months that are closed.
SELECT DISTINCT day FROM (
    SELECT generate_series(date_trunc('day', range_start - interval '1 microsecond', 'UTC'),
        range_end - interval '1 microsecond', interval '1 day') AT TIME ZONE 'UTC'
    FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'
    UNION ALL SELECT DISTINCT date_trunc('day', hour, 'UTC') AT TIME ZONE 'UTC' FROM hourly_aggregate
    UNION ALL SELECT DISTINCT date_trunc('day', hour, 'UTC') AT TIME ZONE 'UTC' FROM hourly_consumption
    UNION ALL SELECT DISTINCT day::timestamp FROM daily_aggregate
    UNION ALL SELECT DISTINCT month::timestamp FROM monthly_total
    UNION ALL SELECT DISTINCT month::timestamp FROM month_adjustment
    UNION ALL SELECT DISTINCT month::timestamp FROM closed_month
) AS days (day)
ORDER BY day

-- name: verify_months
-- The billing months, of whatever account, that some days lie in.
SELECT DISTINCT month, next_billing_month(month, billing_day, earlier_billing_days)
FROM (
    SELECT DISTINCT billing_day, earlier_billing_days FROM account
    WHERE id = coalesce(%(account_id)s, id)
) calendars
CROSS JOIN unnest(%(days)s::date[]) AS day
CROSS JOIN billing_month(day, billing_day, earlier_billing_days) AS month

-- name: verify_outside
-- Hours before the raw horizon, which cannot be computed from readings any more, and frozen ones.
SELECT
    (SELECT count(*) FROM hourly_aggregate h
     WHERE h.hour < (SELECT max(dropped_before) FROM raw_horizon)
       AND h.device_id IN (SELECT id FROM device WHERE account_id = coalesce(%(account_id)s, account_id))),
    (SELECT count(*) FROM frozen_hour h
     WHERE h.device_id IN (SELECT id FROM device WHERE account_id = coalesce(%(account_id)s, account_id)))

-- name: list_frozen
SELECT to_char(h.hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') || ' ' || a.name || ' / '
    || g.code || ' / ' || d.code || ' (device ' || d.id || ')'
FROM frozen_hour h
JOIN device d ON d.id = h.device_id
JOIN gateway g ON g.id = d.gateway_id
JOIN account a ON a.id = d.account_id
WHERE a.id = coalesce(%(account_id)s, a.id)
ORDER BY h.hour, h.device_id
LIMIT %(limit)s

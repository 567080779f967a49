-- What one slice of the verification is about, for this session and transaction alone. Of differences,
-- `account_id` is null for hours.
CREATE TEMPORARY TABLE IF NOT EXISTS verified_device (
    id bigint PRIMARY KEY,
    measurement text NOT NULL,
    modulus numeric,
    interval_s integer,
    is_replaced boolean NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS value_before (
    device_id bigint PRIMARY KEY,
    value numeric,
    time timestamptz
) ON COMMIT DELETE ROWS;
-- Of days and months.
CREATE TEMPORARY TABLE IF NOT EXISTS verified_account (
    id bigint PRIMARY KEY,
    time_zone text NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS verified_zone (
    time_zone text PRIMARY KEY,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL
) ON COMMIT DELETE ROWS;
-- since: the hour of the reading before the first one. A note from then on concerns the row.
CREATE TEMPORARY TABLE IF NOT EXISTS expected_hour (
    device_id bigint NOT NULL,
    hour timestamptz NOT NULL,
    since timestamptz NOT NULL,
    measurement text NOT NULL,
    account_id bigint NOT NULL,
    total numeric NOT NULL,
    mean numeric NOT NULL,
    minimum numeric NOT NULL,
    maximum numeric NOT NULL,
    first numeric NOT NULL,
    first_at timestamptz NOT NULL,
    last numeric NOT NULL,
    last_at timestamptz NOT NULL,
    readings_count bigint NOT NULL,
    consumption numeric,
    within numeric
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS expected_day (
    device_id bigint NOT NULL,
    day date NOT NULL,
    since timestamptz NOT NULL,
    account_id bigint NOT NULL,
    total numeric,
    reading_sum numeric NOT NULL,
    minimum numeric NOT NULL,
    maximum numeric NOT NULL,
    first numeric NOT NULL,
    last numeric NOT NULL,
    readings_count bigint NOT NULL,
    intervals_seen numeric NOT NULL,
    PRIMARY KEY (device_id, day, account_id)
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS difference (
    relation text NOT NULL,
    device_id bigint NOT NULL,
    place text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    since timestamptz NOT NULL,
    account_id bigint,
    verdict text NOT NULL DEFAULT 'differs',
    stands jsonb,
    expected jsonb
) ON COMMIT DELETE ROWS

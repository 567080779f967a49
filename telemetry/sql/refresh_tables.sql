-- What a step of the refresh is about, for this session and transaction alone.
CREATE TEMPORARY TABLE IF NOT EXISTS touched_hour (
    device_id bigint NOT NULL,
    hour timestamptz NOT NULL,
    measurement text NOT NULL,
    modulus numeric,
    is_refused boolean NOT NULL,
    PRIMARY KEY (device_id, hour)
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS touched_day (
    device_id bigint NOT NULL,
    day date NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    is_whole_hours boolean NOT NULL,
    PRIMARY KEY (device_id, day)
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS touched_month (
    device_id bigint NOT NULL,
    month date NOT NULL,
    PRIMARY KEY (device_id, month)
) ON COMMIT DELETE ROWS

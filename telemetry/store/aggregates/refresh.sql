-- name: refresh_tables
-- What one step of the refresh changes; only for this session and transaction.
CREATE TEMPORARY TABLE IF NOT EXISTS affected_hour (
    device_id bigint NOT NULL,
    hour timestamptz NOT NULL,
    measurement text NOT NULL,
    factor numeric NOT NULL DEFAULT 1,
    longest_step interval,  -- null: steps are not spread
    is_frozen boolean NOT NULL,
    PRIMARY KEY (device_id, hour)
) ON COMMIT DELETE ROWS;
-- Affected hours of registers and deltas, with the last reading before them.
CREATE TEMPORARY TABLE IF NOT EXISTS counted_hour (
    device_id bigint NOT NULL,
    hour timestamptz NOT NULL,
    measurement text NOT NULL,
    factor numeric NOT NULL,
    longest_step interval,
    before numeric,
    before_at timestamptz,
    is_uneven boolean NOT NULL,  -- a register that does not simply rise here, or a change of meter
    PRIMARY KEY (device_id, hour)
) ON COMMIT DELETE ROWS;
-- What lies between two readings, and may be consumption of hours without any.
CREATE TEMPORARY TABLE IF NOT EXISTS affected_span (
    device_id bigint NOT NULL,
    account_id bigint NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL
) ON COMMIT DELETE ROWS;
-- Hours whose readings an edit changed: they may have none any more.
CREATE TEMPORARY TABLE IF NOT EXISTS affected_edit (
    edit_id bigint NOT NULL,
    device_id bigint NOT NULL,
    hour timestamptz NOT NULL
) ON COMMIT DELETE ROWS;
-- Hours that a change of meter made dirty: they may have no readings at all.
CREATE TEMPORARY TABLE IF NOT EXISTS affected_change (
    installation_id bigint NOT NULL,
    device_id bigint NOT NULL,
    hour timestamptz NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS affected_day (
    device_id bigint NOT NULL,
    day date NOT NULL,
    account_id bigint NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    is_doubtful boolean NOT NULL,  -- it may have no hours any more
    PRIMARY KEY (device_id, day, account_id)
) ON COMMIT DELETE ROWS;
-- The ends of affected days that begin or end inside a UTC hour.
CREATE TEMPORARY TABLE IF NOT EXISTS day_part (
    device_id bigint NOT NULL,
    day date NOT NULL,
    starts_at timestamptz NOT NULL,
    account_id bigint NOT NULL,
    consumption numeric NOT NULL,
    total numeric,
    minimum numeric,
    maximum numeric,
    first numeric,
    last numeric,
    readings_count bigint
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS affected_month (
    device_id bigint NOT NULL,
    month date NOT NULL,
    account_id bigint NOT NULL,
    PRIMARY KEY (device_id, month, account_id)
) ON COMMIT DELETE ROWS


-- name: record_changed_hours
-- For the rules of findings, which look at what a refresh computed.
INSERT INTO changed_hour (hour, device_ids)
SELECT hour, array_agg(device_id ORDER BY device_id) FROM affected_hour
GROUP BY hour ORDER BY hour

-- name: name_causes
-- Lines of closed months that this step recorded say which edits, and which changes of meter, of the
-- device it applied or undid.
UPDATE month_adjustment j SET edit_ids = e.ids, installation_ids = c.ids
FROM (
    SELECT device_id FROM affected_edit UNION SELECT device_id FROM affected_change
) d
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(DISTINCT edit_id ORDER BY edit_id), '{}') AS ids
    FROM affected_edit WHERE device_id = d.device_id
) e
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(DISTINCT installation_id ORDER BY installation_id), '{}') AS ids
    FROM affected_change WHERE device_id = d.device_id
) c
WHERE j.device_id = d.device_id AND j.recorded_at >= now()

-- name: refresh_tables
-- What one step of the refresh changes; only for this session and transaction.
CREATE TEMPORARY TABLE IF NOT EXISTS affected_hour (
    device_id bigint NOT NULL,
    hour timestamptz NOT NULL,
    measurement text NOT NULL,
    factor numeric NOT NULL DEFAULT 1,
    longest_step interval,  -- null: steps are not spread
    is_frozen boolean NOT NULL,
    since timestamptz,  -- nothing changed before it; null: anything may have changed
    known_until timestamptz,  -- the last reading of what is kept of it; null: all is read again
    known_last numeric,
    known_account_id bigint,
    PRIMARY KEY (device_id, hour)
) ON COMMIT DELETE ROWS;
-- What came to affected hours after what is kept of them.
CREATE TEMPORARY TABLE IF NOT EXISTS added_readings (
    device_id bigint NOT NULL,
    hour timestamptz NOT NULL,
    measurement text NOT NULL,
    factor numeric NOT NULL,
    total numeric NOT NULL,
    scaled_total numeric NOT NULL,
    minimum numeric NOT NULL,
    maximum numeric NOT NULL,
    last numeric NOT NULL,
    last_at timestamptz NOT NULL,
    readings_count bigint NOT NULL,
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
-- Lines of closed months that this step recorded say why: which edits and changes of meter of the
-- device were applied or undone, whether its gateway moved, and the causes of other dirty hours. Late
-- readings are named where they are of the month itself, or nothing else is.
UPDATE month_adjustment j SET edit_ids = n.edit_ids, installation_ids = n.installation_ids,
    moved_at = n.moved_at, causes = CASE
        WHEN n.causes <> '{}' THEN n.causes
        WHEN n.edit_ids = '{}' AND n.installation_ids = '{}' AND n.moved_at IS NULL THEN '{readings}'
        ELSE '{}' END
FROM (
    SELECT j.id, max(n.moved_at) AS moved_at,
        coalesce(array_agg(DISTINCT n.edit_id) FILTER (WHERE n.edit_id IS NOT NULL), '{}') AS edit_ids,
        coalesce(array_agg(DISTINCT n.installation_id) FILTER (WHERE n.installation_id IS NOT NULL),
            '{}') AS installation_ids,
        coalesce(array_agg(DISTINCT coalesce(nullif(n.cause, ''), 'readings')) FILTER (
            WHERE n.cause <> '' OR n.edit_id IS NULL AND n.installation_id IS NULL
                AND n.moved_at IS NULL AND n.hour + interval '1 hour' > span.since
                AND n.hour < span.until), '{}') AS causes
    FROM month_adjustment j
    JOIN account a ON a.id = j.account_id
    CROSS JOIN LATERAL (
        SELECT local_day_start(j.month, a.zones) AS since,
            local_day_start(month_end, a.zones) AS until
        FROM next_billing_month(j.month, a.billing_day, a.earlier_billing_days) AS month_end
    ) span
    JOIN (
        SELECT hour, unnest(device_ids) AS device_id, edit_id, installation_id, moved_at, cause
        FROM dirty_hour WHERE id = ANY(%(ids)s)
    ) n ON n.device_id = j.device_id
    WHERE j.recorded_at >= now()
    GROUP BY j.id
) n
WHERE j.id = n.id

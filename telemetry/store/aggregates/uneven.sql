-- name: list_uneven_hours
-- For each uneven hour the hours with which it is counted: %(neighbours)s that have readings on
-- either side, none before the raw horizon.
SELECT t.device_id,
    greatest((SELECT dropped_before FROM raw_horizon), least(t.hour, coalesce((
        SELECT n.hour FROM hourly_consumption n
        WHERE n.device_id = t.device_id AND n.hour < t.hour
        ORDER BY n.hour DESC OFFSET %(neighbours)s - 1 LIMIT 1
    ), (SELECT min(n.hour) FROM hourly_consumption n WHERE n.device_id = t.device_id)))) AS first,
    greatest(t.hour, coalesce((
        SELECT n.hour FROM hourly_consumption n
        WHERE n.device_id = t.device_id AND n.hour > t.hour
        ORDER BY n.hour OFFSET %(neighbours)s - 1 LIMIT 1
    ), (SELECT max(n.hour) FROM hourly_consumption n WHERE n.device_id = t.device_id))) AS last
FROM counted_hour t
WHERE t.is_uneven
ORDER BY t.device_id, first

-- name: read_account
SELECT a.id, a.spreads_gaps FROM device d JOIN account a ON a.id = d.account_id WHERE d.id = %s

-- name: list_moves
SELECT nullif(p.since, '-infinity'), p.account_id FROM device d JOIN assignment_period p ON p.gateway_id = d.gateway_id
WHERE d.id = %s ORDER BY p.since DESC

-- name: read_hours_around
-- The hours of a device from %(first)s to %(last)s, the one before them, those after.
SELECT hour, account_id, first, first_at, last, last_at, coalesce(height, last),
    coalesce(height_at, last_at)
FROM (
    (SELECT * FROM hourly_consumption WHERE device_id = %(device_id)s AND hour < %(first)s
     ORDER BY hour DESC LIMIT 1)
    UNION ALL
    SELECT * FROM hourly_consumption
    WHERE device_id = %(device_id)s AND hour >= %(first)s AND hour <= %(last)s
    UNION ALL
    (SELECT * FROM hourly_consumption WHERE device_id = %(device_id)s AND hour > %(last)s
     ORDER BY hour LIMIT %(neighbours)s)
) hours
ORDER BY hour

-- name: read_values
SELECT time, value FROM reading
WHERE device_id = %(device_id)s AND time > %(since)s AND time <= %(until)s
ORDER BY time

-- name: find_affected_uneven_hours
-- The hours of a span, and the gaps and changes of meter that are consumption of other hours or of hours
-- without readings.
WITH hours AS MATERIALIZED (
    SELECT * FROM hourly_consumption
    WHERE device_id = %(device_id)s AND hour >= %(first)s AND hour <= %(last)s
), spans AS (
    INSERT INTO affected_span (device_id, account_id, since, until)
    SELECT device_id, account_id, coalesce(step_from, hour), hour + interval '1 hour'
    FROM hours WHERE is_gap OR first IS NULL
)
INSERT INTO affected_hour (device_id, hour, measurement, is_frozen)
SELECT device_id, hour, 'cumulative', false FROM hours WHERE first IS NOT NULL
ON CONFLICT DO NOTHING

-- name: delete_uneven_hours
-- Hours without readings whose change of meter is gone.
DELETE FROM hourly_consumption
WHERE device_id = %(device_id)s AND hour = ANY(%(hours)s) AND first IS NULL

-- name: write_uneven_hour
INSERT INTO hourly_consumption (device_id, hour, account_id, consumption, within, step, step_from,
    step_to, is_gap, height, height_at, steps)
VALUES (%(device_id)s, %(hour)s, %(account_id)s, %(within)s::numeric + %(step)s, %(within)s, %(step)s,
    %(step_from)s, %(step_to)s, %(is_gap)s, %(height)s, %(height_at)s, %(steps)s)
ON CONFLICT (device_id, hour) DO UPDATE SET
    account_id = excluded.account_id, consumption = excluded.consumption, within = excluded.within, step = excluded.step,
    step_from = excluded.step_from, step_to = excluded.step_to, is_gap = excluded.is_gap,
    height = excluded.height, height_at = excluded.height_at, steps = excluded.steps

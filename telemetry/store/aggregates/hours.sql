-- name: list_dirty_hours
-- The hours of dirty rows that are not frozen for all of their devices.
SELECT DISTINCT t.hour
FROM (SELECT DISTINCT hour, unnest(device_ids) AS device_id
      FROM dirty_hour WHERE id = ANY(%(ids)s)) t
JOIN device d ON d.id = t.device_id
JOIN account a ON a.id = d.account_id
WHERE NOT is_hour_dropped(t.hour, a.time_zone,
    (SELECT coalesce(max(dropped_before), '-infinity') FROM raw_horizon))
ORDER BY 1

-- name: refresh_hourly
-- Compute the affected hours of a span, or of some of its hours and devices, again (Apache
-- edition). An hour counts the readings after its start, up to and including its end. The bounds are
-- constants, so that only their chunk is planned and opened; the devices of an hour are read together,
-- as their readings lie together. An hour is the account's that its first received reading names:
-- what comes late never takes it away.
INSERT INTO hourly_aggregate (device_id, hour, account_id, total, mean, minimum, maximum, first,
    last, readings_count)
SELECT h.device_id, t.hour, h.account_id, h.total, h.total / h.readings_count, h.minimum, h.maximum,
    h.first, h.last, h.readings_count
FROM (
    SELECT hour, array_agg(device_id) AS device_ids
    FROM affected_hour
    WHERE hour >= %(start)s AND hour < %(end)s
      AND (%(devices)s::bigint[] IS NULL OR device_id = ANY(%(devices)s::bigint[]))
    GROUP BY hour
) t
CROSS JOIN LATERAL (
    SELECT r.device_id, first(r.account_id, r.received_at) AS account_id, sum(r.value) AS total,
        min(r.value) AS minimum, max(r.value) AS maximum, first(r.value, r.time) AS first,
        last(r.value, r.time) AS last, count(*) AS readings_count
    FROM reading r
    WHERE r.device_id = ANY(t.device_ids)
      AND r.time > t.hour AND r.time <= t.hour + interval '1 hour'
      AND r.time > %(start)s AND r.time <= %(end)s
    GROUP BY r.device_id
) h
ON CONFLICT (device_id, hour) DO UPDATE SET
    account_id = excluded.account_id, total = excluded.total, mean = excluded.mean,
    minimum = excluded.minimum, maximum = excluded.maximum, first = excluded.first,
    last = excluded.last, readings_count = excluded.readings_count

-- name: refresh_registers
-- Cumulative devices: what was consumed between the readings of each affected hour of a span,
-- and the hour's two ends. add_steps adds the step from the hour before. Read as in
-- refresh_hourly.
INSERT INTO hourly_consumption (device_id, hour, account_id, consumption, within, first, first_at,
    last, last_at)
SELECT s.device_id, s.hour, first(s.account_id, s.received_at), 0,
    coalesce(sum(register_increment(t.modulus, s.before, s.value, NULL))
        FILTER (WHERE NOT t.has_replacements), 0)
    + coalesce(sum(register_increment(t.modulus, s.before, s.value,
        replaced_between(s.device_id, s.before_at, s.time))) FILTER (WHERE t.has_replacements), 0),
    first(s.value, s.time), min(s.time), last(s.value, s.time), max(s.time)
FROM (
    SELECT hour, array_agg(device_id) AS device_ids
    FROM affected_hour
    WHERE measurement = 'cumulative' AND hour >= %(start)s AND hour < %(end)s
      AND (%(devices)s::bigint[] IS NULL OR device_id = ANY(%(devices)s::bigint[]))
    GROUP BY hour
) each
CROSS JOIN LATERAL (
    SELECT r.device_id, each.hour, r.account_id, r.received_at, r.value, r.time,
        lag(r.value) OVER by_time AS before, lag(r.time) OVER by_time AS before_at
    FROM reading r
    WHERE r.device_id = ANY(each.device_ids)
      AND r.time > each.hour AND r.time <= each.hour + interval '1 hour'
      AND r.time > %(start)s AND r.time <= %(end)s
    WINDOW by_time AS (PARTITION BY r.device_id ORDER BY r.time)
) s
JOIN affected_hour t ON t.device_id = s.device_id AND t.hour = s.hour
GROUP BY s.device_id, s.hour
ON CONFLICT (device_id, hour) DO UPDATE SET
    account_id = excluded.account_id, within = excluded.within, first = excluded.first,
    first_at = excluded.first_at, last = excluded.last, last_at = excluded.last_at

-- name: find_affected_next_hours
-- The step into an hour belongs to the hour of its later reading: the next hour that has readings
-- changes with the one before it. Hours that are still dirty are not seen here; when they are
-- refreshed, they affect the hour after them.
INSERT INTO affected_hour (device_id, hour, measurement, modulus, has_replacements,
    is_frozen)
SELECT DISTINCT t.device_id, after.hour, t.measurement, t.modulus, t.has_replacements, false
FROM affected_hour t
CROSS JOIN LATERAL (
    SELECT c.hour FROM hourly_consumption c
    WHERE c.device_id = t.device_id AND c.hour > t.hour
    ORDER BY c.hour LIMIT 1
) after
WHERE t.measurement = 'cumulative'
ON CONFLICT DO NOTHING

-- name: add_steps
-- The consumption of affected hours: the step from the last reading before, and what lies within.
UPDATE hourly_consumption c
SET consumption = c.within + register_increment(t.modulus, before.last, c.first,
    CASE WHEN t.has_replacements
        THEN replaced_between(c.device_id, before.last_at, c.first_at) END)
FROM affected_hour t
LEFT JOIN LATERAL (
    SELECT b.last, b.last_at FROM hourly_consumption b
    WHERE b.device_id = t.device_id AND b.hour < t.hour
    ORDER BY b.hour DESC LIMIT 1
) before ON true
WHERE c.device_id = t.device_id AND c.hour = t.hour AND t.measurement = 'cumulative'

-- name: find_emptied_hours
-- Of hours that an edit changed, in a span: those without readings now. Read as in refresh_hourly.
SELECT e.device_id, e.hour
FROM (SELECT DISTINCT device_id, hour FROM affected_edit) e
JOIN affected_hour USING (device_id, hour)
WHERE e.hour >= %(start)s AND e.hour < %(end)s
  AND NOT EXISTS (
    SELECT FROM reading r
    WHERE r.device_id = e.device_id AND r.time > e.hour AND r.time <= e.hour + interval '1 hour'
      AND r.time > %(start)s AND r.time <= %(end)s)

-- name: delete_emptied_registers
DELETE FROM hourly_consumption c
USING unnest(%(device_ids)s::bigint[], %(hours)s::timestamptz[]) AS e (device_id, hour)
WHERE c.device_id = e.device_id AND c.hour = e.hour

-- name: delete_emptied_hours
DELETE FROM hourly_aggregate h
USING unnest(%(device_ids)s::bigint[], %(hours)s::timestamptz[]) AS e (device_id, hour)
WHERE h.device_id = e.device_id AND h.hour = e.hour

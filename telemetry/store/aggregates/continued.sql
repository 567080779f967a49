-- name: keep_hours
-- Affected hours whose new readings all come after those that they have keep what they have (Apache
-- edition). Not where a register fell, or a meter was changed: these are counted reading by reading.
UPDATE affected_hour t
SET known_until = h.last_at, known_last = h.last, known_account_id = h.account_id
FROM hourly_aggregate h
LEFT JOIN hourly_consumption c ON c.device_id = h.device_id AND c.hour = h.hour
WHERE h.device_id = t.device_id AND h.hour = t.hour AND h.last_at < t.since
  AND (t.measurement = 'gauge'
       OR c.last_at = h.last_at AND c.account_id = h.account_id
          AND c.steps IS NULL AND c.height IS NULL)

-- name: keep_consumption
-- The same of registers and deltas, where a continuous aggregate has the rest.
UPDATE affected_hour t
SET known_until = c.last_at, known_last = c.last, known_account_id = c.account_id
FROM hourly_consumption c
WHERE c.device_id = t.device_id AND c.hour = t.hour AND c.last_at < t.since
  AND t.measurement <> 'gauge' AND c.steps IS NULL AND c.height IS NULL

-- name: read_added
-- What came after what is kept of the hours of a span, or of some of their devices. Not where a
-- register falls, or a reading is another account's. Read as in refresh_hourly.
INSERT INTO added_readings (device_id, hour, measurement, factor, total, scaled_total, minimum,
    maximum, last, last_at, readings_count)
SELECT t.device_id, t.hour, t.measurement, t.factor, a.total, a.scaled_total, a.minimum, a.maximum,
    a.last, a.last_at, a.readings_count
FROM affected_hour t
CROSS JOIN LATERAL (
    SELECT sum(r.value) AS total, sum(scaled(r.value, t.factor)) AS scaled_total,
        min(r.value) AS minimum, max(r.value) AS maximum, last(r.value, r.time) AS last,
        max(r.time) AS last_at, count(*) AS readings_count,
        bool_and(r.account_id = t.known_account_id) AS is_of_account,
        bool_or(r.value < coalesce(r.before, t.known_last)) AS falls
    FROM (
        SELECT value, time, account_id, lag(value) OVER (ORDER BY time) AS before
        FROM reading
        WHERE device_id = t.device_id
          AND time > t.known_until AND time <= t.hour + interval '1 hour'
          AND time > %(start)s AND time <= %(end)s
    ) r
) a
WHERE t.known_until IS NOT NULL AND t.hour >= %(start)s AND t.hour < %(end)s
  AND (%(devices)s::bigint[] IS NULL OR t.device_id = ANY(%(devices)s::bigint[]))
  AND a.is_of_account AND NOT (t.measurement = 'cumulative' AND a.falls)

-- name: add_to_hours
UPDATE hourly_aggregate h SET total = h.total + a.total,
    mean = (h.total + a.total) / (h.readings_count + a.readings_count),
    minimum = least(h.minimum, a.minimum), maximum = greatest(h.maximum, a.maximum),
    last = a.last, last_at = a.last_at, readings_count = h.readings_count + a.readings_count
FROM added_readings a
WHERE h.device_id = a.device_id AND h.hour = a.hour

-- name: add_to_consumption
UPDATE hourly_consumption c SET last = a.last, last_at = a.last_at,
    within = CASE a.measurement WHEN 'delta' THEN c.within + a.scaled_total
        ELSE scaled(a.last, a.factor) - scaled(c.first, a.factor) END
FROM added_readings a
WHERE c.device_id = a.device_id AND c.hour = a.hour AND a.measurement <> 'gauge'

-- name: keep_no_others
UPDATE affected_hour t SET known_until = NULL
WHERE known_until IS NOT NULL AND NOT EXISTS (
    SELECT FROM added_readings a WHERE a.device_id = t.device_id AND a.hour = t.hour)

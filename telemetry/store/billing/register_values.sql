-- name: heights
-- What registers had reached at an instant: by the last reading of its UTC hour until then, else as it
-- is written down of an earlier hour, or of the hour itself at its end. `is_uneven`: the hour has to be
-- counted reading by reading.
SELECT d.id, here.steps IS NOT NULL AND %(at)s < %(hour)s::timestamptz + interval '1 hour' AS is_uneven,
    coalesce(r.value, e.value, b.value), coalesce(r.time, e.at, b.at)
FROM unnest(%(devices)s::bigint[]) AS d (id)
LEFT JOIN hourly_consumption here ON here.device_id = d.id AND here.account_id = %(account)s
    AND here.hour = %(hour)s
LEFT JOIN LATERAL (
    SELECT value, time FROM reading
    WHERE device_id = d.id AND here.steps IS NULL AND here.hour IS NOT NULL
      AND time > %(hour)s AND time <= %(at)s
    ORDER BY time DESC LIMIT 1
) r ON true
LEFT JOIN LATERAL (
    SELECT coalesce(here.height, here.last) AS value, coalesce(here.height_at, here.last_at) AS at
    WHERE %(at)s = %(hour)s::timestamptz + interval '1 hour' AND here.hour IS NOT NULL
) e ON true
LEFT JOIN LATERAL (
    SELECT coalesce(height, last) AS value, coalesce(height_at, last_at) AS at FROM hourly_consumption
    WHERE device_id = d.id AND account_id = %(account)s AND hour < %(hour)s
    ORDER BY hour DESC LIMIT 1
) b ON true

-- name: first_readings
-- The first readings after instants, by number. The hour that holds one may begin with a reading before.
SELECT d.number, CASE WHEN f.first_at > d.since THEN f.first ELSE r.value END,
    CASE WHEN f.first_at > d.since THEN f.first_at ELSE r.time END
FROM unnest(%(numbers)s::bigint[], %(devices)s::bigint[], %(sinces)s::timestamptz[],
    %(hours)s::timestamptz[]) AS d (number, id, since, hour)
CROSS JOIN LATERAL (
    SELECT hour, first, first_at FROM hourly_consumption
    WHERE device_id = d.id AND account_id = %(account)s AND hour >= d.hour AND first IS NOT NULL
      AND last_at > d.since
    ORDER BY hour LIMIT 1
) f
LEFT JOIN LATERAL (
    SELECT value, time FROM reading
    WHERE device_id = d.id AND f.first_at <= d.since AND time > d.since
      AND time <= f.hour + interval '1 hour'
    ORDER BY time LIMIT 1
) r ON true

-- name: base
-- What a register had reached some hours with readings before an hour, from which it is counted.
SELECT coalesce(height_at, last_at), coalesce(height, last) FROM hourly_consumption
WHERE device_id = %(device)s AND account_id = %(account)s AND hour < %(hour)s
ORDER BY hour DESC OFFSET %(neighbours)s LIMIT 1

-- name: values_around
-- The readings from there until some hours with readings after it.
SELECT time, value FROM reading
WHERE device_id = %(device)s AND account_id = %(account)s
  AND time > coalesce(%(base)s::timestamptz, '-infinity')
  AND time <= coalesce((
      SELECT hour FROM hourly_consumption
      WHERE device_id = %(device)s AND account_id = %(account)s AND hour > %(hour)s
      ORDER BY hour OFFSET %(neighbours)s LIMIT 1), 'infinity')
ORDER BY time

-- name: hour_series
-- For periods of days. The UTC hours of one or several devices: one index range for each of them. The
-- rule of `total` by measurement: a register's hours are in hourly_consumption. The sum of readings is
-- beside it.
SELECT wanted.id, sample.hour,
    CASE d.measurement WHEN 'delta' THEN sample.total WHEN 'cumulative' THEN sample.consumption END,
    sample.total, sample.minimum, sample.maximum, sample.last, sample.readings_count
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
JOIN device d ON d.id = wanted.id
CROSS JOIN LATERAL (
    SELECT h.hour, h.total, h.minimum, h.maximum, h.last, h.readings_count, c.consumption
    FROM hourly_aggregate h
    LEFT JOIN hourly_consumption c ON c.device_id = wanted.id AND c.hour = h.hour
        AND c.hour >= %(since)s AND c.hour < %(until)s
    WHERE h.account_id = %(account)s AND h.device_id = wanted.id
      AND h.hour >= %(since)s AND h.hour < %(until)s
) sample
ORDER BY wanted.id, sample.hour
LIMIT %(rows)s

-- name: day_series
-- For longer periods. The local days of one or several devices: one index range for each of them.
SELECT wanted.id, sample.*
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT day, total, reading_sum, minimum, maximum, last, readings_count
    FROM daily_aggregate
    WHERE account_id = %(account)s AND device_id = wanted.id
      AND day >= %(since)s AND day < %(until)s
) sample
ORDER BY wanted.id, sample.day
LIMIT %(rows)s

-- name: minutes
-- For up to 25 hours with many readings. Minutes of a device, from its raw readings, each after its
-- start, up to and including its end. A register's minutes have no total: what it counted is known by
-- the hour.
SELECT date_trunc('minute', r.time - interval '1 microsecond'),
    CASE d.measurement WHEN 'delta' THEN sum(r.value) END,
    sum(r.value), min(r.value), max(r.value), last(r.value, r.time), count(*)
FROM reading r
JOIN device d ON d.id = r.device_id
WHERE r.account_id = %(account)s AND r.device_id = %(device)s
  AND r.time > %(since)s AND r.time <= %(until)s
GROUP BY 1, d.measurement
ORDER BY 1
LIMIT %(rows)s

-- name: single_readings
-- For up to 25 hours with few readings.
SELECT time, value
FROM reading
WHERE account_id = %(account)s AND device_id = %(device)s
  AND time > %(since)s AND time <= %(until)s
ORDER BY time
LIMIT %(rows)s

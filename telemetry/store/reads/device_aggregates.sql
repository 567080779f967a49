-- name: series_hours
-- A device's UTC hours. The rule of `total` by measurement is that of telemetry/sql/schema/consumption.sql: a
-- register's hours stand in hourly_consumption. The first column of both keys is the device.
SELECT h.hour,
    CASE d.measurement WHEN 'delta' THEN h.total WHEN 'cumulative' THEN c.consumption END,
    h.mean, h.minimum, h.maximum, h.first, h.last, h.readings_count
FROM hourly_aggregate h
JOIN device d ON d.id = h.device_id
LEFT JOIN hourly_consumption c ON c.device_id = h.device_id AND c.hour = h.hour
    AND c.hour >= %(since)s AND c.hour < %(until)s
WHERE h.account_id = %(account)s AND h.device_id = %(device)s
  AND h.hour >= %(since)s AND h.hour < %(until)s
ORDER BY h.hour
LIMIT %(rows)s

-- name: series_days
SELECT day, total, reading_sum / readings_count, minimum, maximum, first, last, readings_count
FROM daily_aggregate
WHERE account_id = %(account)s AND device_id = %(device)s
  AND day >= %(first)s AND day < %(until)s
ORDER BY day
LIMIT %(rows)s

-- name: series_months
SELECT month, total, reading_mean, minimum, maximum, first_register, last_register, readings_count
FROM monthly_consumption
WHERE account_id = %(account)s AND device_id = %(device)s
  AND month >= %(first)s AND month < %(until)s
ORDER BY month
LIMIT %(rows)s

-- name: gap_hours
-- Runs of whole hours without a reading. The ends of the period stand as marks beside the hours
-- that are there, so that a gap at either end is found too, and one without any reading is whole.
SELECT before + interval '1 hour', hour
FROM (
    SELECT hour, lag(hour) OVER (ORDER BY hour) AS before
    FROM (
        SELECT hour FROM hourly_aggregate
        WHERE account_id = %(account)s AND device_id = %(device)s
          AND hour >= %(since)s AND hour < %(until)s
        UNION ALL SELECT %(since)s::timestamptz - interval '1 hour'
        UNION ALL SELECT %(until)s::timestamptz
    ) AS marks
) AS steps
WHERE hour > before + interval '1 hour'
  AND EXISTS (SELECT FROM device WHERE id = %(device)s AND account_id = %(account)s)
ORDER BY hour
LIMIT %(rows)s

-- name: silences
-- Stretches between two readings, or between one and an end of the period, longer than `over_s`.
SELECT before, time
FROM (
    SELECT time, lag(time) OVER (ORDER BY time) AS before
    FROM (
        SELECT time FROM reading
        WHERE account_id = %(account)s AND device_id = %(device)s
          AND time >= %(since)s AND time < %(until)s
        UNION ALL SELECT %(since)s::timestamptz
        UNION ALL SELECT %(until)s::timestamptz
    ) AS marks
) AS steps
WHERE time - before > make_interval(secs => %(over_s)s)
  AND EXISTS (SELECT FROM device WHERE id = %(device)s AND account_id = %(account)s)
ORDER BY time
LIMIT %(rows)s

-- name: hour_series
-- read_device_chart (web/charts/chart.py) chooses among the four queries of this file. This one is for
-- periods of days, and for 25 hours with too many readings to draw. The UTC hours of one or several
-- devices: one index range for each of them. What was consumed is in hourly_consumption, and in the
-- gaps over an hour. The sum of readings is beside it.
SELECT wanted.id, sample.hour, sample.total, sample.estimated, coalesce(sample.reading_sum, 0),
    sample.minimum, sample.maximum, sample.last, sample.readings_count
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
CROSS JOIN LATERAL installations_in(wanted.id, %(since)s, %(until)s) AS i
CROSS JOIN LATERAL (
    SELECT hour,
        CASE coalesce(i.measurement, (
            SELECT o.measurement FROM installation_of(wanted.id, hour, hour + interval '1 hour') AS o
        )) WHEN 'gauge' THEN NULL
            ELSE coalesce(c.consumption, h.total, 0) + coalesce(g.moved, 0) END AS total,
        coalesce(g.estimated, 0) AS estimated, h.total AS reading_sum, h.mean, h.minimum, h.maximum,
        h.first, h.last, coalesce(h.readings_count, 0) AS readings_count
    FROM (
        SELECT * FROM hourly_aggregate
        WHERE account_id = %(account)s AND device_id = wanted.id
          AND hour >= %(since)s AND hour < %(until)s
    ) h
    FULL JOIN (
        SELECT * FROM hourly_consumption
        WHERE account_id = %(account)s AND device_id = wanted.id AND i.counts
          AND (first IS NOT NULL OR steps <> '[]')
          AND hour >= %(since)s AND hour < %(until)s
    ) c USING (hour)
    FULL JOIN (
        SELECT * FROM gap_hours(wanted.id, %(account)s, %(since)s, %(until)s)
        WHERE i.counts
    ) g USING (hour)
) sample
ORDER BY wanted.id, sample.hour
LIMIT %(rows)s

-- name: day_series
-- For longer periods. The local days of one or several devices: one index range for each of them.
SELECT wanted.id, sample.*
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT day, total, estimated, reading_sum, minimum, maximum, last, readings_count
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
    sum(scaled(r.value, p.factor)) FILTER (WHERE p.measurement = 'delta'),
    0, sum(r.value), min(r.value), max(r.value), last(r.value, r.time), count(*)
FROM reading r
JOIN installation_period p ON p.device_id = r.device_id AND r.time > p.since AND r.time <= p.until
WHERE r.account_id = %(account)s AND r.device_id = %(device)s
  AND r.time > %(since)s AND r.time <= %(until)s
GROUP BY 1
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

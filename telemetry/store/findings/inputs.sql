-- name: read_devices
-- The devices to look at, in which account, and over which period: around the changed hours, and as
-- far back as what goes on began.
SELECT d.id, d.account_id, d.measurement, d.interval_s, d.is_active AND g.is_active AND a.is_active,
    least(span.first, ongoing.since) - %(context)s,
    least(span.last + %(context)s, %(now)s), meters.since, meters.rates, meters.are_net
FROM (
    SELECT device_id, min(hour) AS first, max(hour) + interval '1 hour' AS last FROM looked_at
    GROUP BY device_id
) span
JOIN device d ON d.id = span.device_id
JOIN gateway g ON g.id = d.gateway_id
JOIN account a ON a.id = d.account_id
LEFT JOIN LATERAL (
    SELECT min(f.since) AS since FROM finding f
    WHERE f.device_id = d.id AND f.account_id = d.account_id AND f.until IS NULL
      AND f.since < span.last
) ongoing ON true
LEFT JOIN LATERAL (
    SELECT array_agg(i.since ORDER BY i.since NULLS FIRST) AS since,
        array_agg(i.largest_rate ORDER BY i.since NULLS FIRST) AS rates,
        array_agg(i.is_net ORDER BY i.since NULLS FIRST) AS are_net
    FROM installation i
    WHERE i.device_id = d.id AND i.undone_at IS NULL
    HAVING bool_or(i.is_net OR i.largest_rate IS NOT NULL)
) meters ON true
ORDER BY d.id

-- name: read_hours
-- The hours of devices in their periods, and the one before; what was consumed in them, and their
-- first and last readings.
SELECT w.device_id, h.hour, h.minimum, h.maximum, h.last, h.readings_count,
    c.consumption, c.first_at, c.last_at
FROM unnest(%(device_ids)s::bigint[], %(account_ids)s::bigint[], %(measurements)s::text[],
    %(sinces)s::timestamptz[], %(untils)s::timestamptz[])
    AS w (device_id, account_id, measurement, since, until)
CROSS JOIN LATERAL (
    (SELECT hour, minimum, maximum, last, readings_count FROM hourly_aggregate
     WHERE device_id = w.device_id AND account_id = w.account_id AND hour < w.since
       AND hour >= w.since - interval '400 days'
     ORDER BY hour DESC LIMIT 1)
    UNION ALL
    (SELECT hour, minimum, maximum, last, readings_count FROM hourly_aggregate
     WHERE device_id = w.device_id AND account_id = w.account_id AND hour >= w.since
       AND hour < w.until)
) h
LEFT JOIN hourly_consumption c ON w.measurement <> 'gauge' AND c.device_id = w.device_id
    AND c.hour = h.hour
ORDER BY w.device_id, h.hour

-- name: list_uneven
-- Hours of registers, in their devices' periods, that were counted reading by reading.
SELECT w.device_id, array_agg(c.hour ORDER BY c.hour)
FROM unnest(%(device_ids)s::bigint[], %(account_ids)s::bigint[], %(sinces)s::timestamptz[],
    %(untils)s::timestamptz[]) AS w (device_id, account_id, since, until)
JOIN hourly_consumption c ON c.device_id = w.device_id AND c.account_id = w.account_id
    AND c.hour >= w.since AND c.hour < w.until AND c.steps IS NOT NULL
GROUP BY w.device_id

-- name: read_values
SELECT time, value FROM reading
WHERE device_id = %(device)s AND account_id = %(account)s AND time > %(start)s AND time <= %(end)s
ORDER BY time LIMIT %(most)s

-- name: list_days
-- The UTC days of devices' changed hours.
SELECT DISTINCT date_trunc('day', hour, 'UTC') FROM looked_at WHERE device_id = ANY(%(devices)s)
ORDER BY 1

-- name: read_late
-- Of those devices that have a late reading in a changed hour of the day, or had one in the day: all
-- late readings of the day, with the nearest ones that came in time. What was imported is not late.
WITH hit AS MATERIALIZED (
    SELECT DISTINCT l.device_id
    FROM looked_at l
    WHERE l.device_id = ANY(%(devices)s) AND l.hour >= %(start)s AND l.hour < %(end)s AND EXISTS (
        SELECT FROM reading r
        WHERE r.device_id = l.device_id AND r.time > l.hour AND r.time <= l.hour + interval '1 hour'
          AND r.time > %(start)s AND r.time <= %(end)s
          AND r.received_at > r.time + interval '1 hour'
          AND NOT EXISTS (SELECT FROM batch b
              WHERE b.received_at = r.received_at AND b.source = 'import'))
    UNION
    SELECT l.device_id
    FROM looked_at l
    JOIN finding f ON f.device_id = l.device_id AND f.rule IN ('late', 'old_clock')
        AND f.since = %(start)s
    WHERE l.device_id = ANY(%(devices)s) AND l.hour >= %(start)s AND l.hour < %(end)s
)
SELECT r.device_id, r.time, r.value, r.received_at, before.time, after.time
FROM hit
JOIN reading r ON r.device_id = hit.device_id AND r.time > %(start)s AND r.time <= %(end)s
    AND r.received_at > r.time + interval '1 hour'
    AND NOT EXISTS (SELECT FROM batch b WHERE b.received_at = r.received_at AND b.source = 'import')
LEFT JOIN LATERAL (
    SELECT b.time FROM reading b
    WHERE b.device_id = r.device_id AND b.time < r.time AND b.time >= r.time - interval '31 days'
      AND b.received_at <= b.time + interval '1 hour'
    ORDER BY b.time DESC LIMIT 1
) before ON true
LEFT JOIN LATERAL (
    SELECT b.time FROM reading b
    WHERE b.device_id = r.device_id AND b.time > r.time AND b.time <= r.time + interval '31 days'
      AND b.received_at <= b.time + interval '1 hour'
    ORDER BY b.time LIMIT 1
) after ON true
ORDER BY r.device_id, r.time
LIMIT %(most)s

-- name: largest_reading
-- The reading of an hour with a value, or with the largest one: the one to look at.
SELECT time, value FROM reading
WHERE device_id = %(device)s AND account_id = %(account)s AND time > %(start)s AND time <= %(end)s
  AND (%(value)s::numeric IS NULL OR value = %(value)s)
ORDER BY value DESC, time LIMIT 1

-- name: neighbours_counted
-- Whether at least half of the account's other devices with the unit counted in the whole days of a
-- period.
SELECT count(*) > 0 AND 2 * count(*) FILTER (WHERE n.counted) >= count(*)
FROM (
    SELECT coalesce(sum(g.total), 0) > 0 AS counted
    FROM device d
    JOIN device n ON n.account_id = d.account_id AND n.unit = d.unit AND n.id <> d.id
        AND n.measurement <> 'gauge' AND n.is_active
    JOIN daily_aggregate g ON g.device_id = n.id AND g.account_id = %(account)s
        AND g.day >= (%(since)s::timestamptz AT TIME ZONE 'UTC')::date
        AND g.day <= (%(until)s::timestamptz AT TIME ZONE 'UTC')::date
    WHERE d.id = %(device)s
    GROUP BY n.id
) n


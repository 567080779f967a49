-- name: classify_differences
-- Rows that differ are no differences while they wait for the refresh, or when their hours are frozen.
-- What was consumed can wait for hours around it: what comes there tells what a fall was and what ends a
-- gap, and a register that falls again and again passes it on. So four hours with readings are looked at
-- before and after, and two days at least.
WITH spans AS MATERIALIZED (
    SELECT f.ctid AS id, f.device_id, least(f.since, before.hour) AS since,
        greatest(f.ends_at, after.hour) AS until
    FROM difference f
    JOIN device d ON d.id = f.device_id
    LEFT JOIN LATERAL (
        SELECT least(f.since - interval '2 days', coalesce((
            SELECT c.hour FROM hourly_consumption c
            WHERE c.device_id = f.device_id AND c.hour < f.since
            ORDER BY c.hour DESC OFFSET 3 LIMIT 1), '-infinity')) AS hour
    ) before ON f.relation <> 'hourly_aggregate' AND f.since <> 'infinity'
        AND d.id IN (SELECT device_id FROM installation WHERE measurement <> 'gauge')
    LEFT JOIN LATERAL (
        SELECT greatest(f.ends_at + interval '2 days', coalesce((
            SELECT c.hour + interval '1 hour' FROM hourly_consumption c
            WHERE c.device_id = f.device_id AND c.hour >= f.ends_at
            ORDER BY c.hour OFFSET 3 LIMIT 1), 'infinity')) AS hour
    ) after ON f.relation <> 'hourly_aggregate' AND f.since <> 'infinity'
        AND d.id IN (SELECT device_id FROM installation WHERE measurement <> 'gauge')
), waiting AS MATERIALIZED (
    SELECT DISTINCT unnest(device_ids) AS device_id, hour FROM dirty_hour
    WHERE hour >= (SELECT min(since) FROM spans) AND hour < (SELECT max(until) FROM spans)
)
UPDATE difference f SET status = CASE
    WHEN EXISTS (SELECT FROM waiting w WHERE w.device_id = f.device_id
                 AND w.hour >= s.since AND w.hour < s.until)
        OR f.account_id IN (SELECT account_id FROM dirty_account)
        THEN 'waiting'
    WHEN EXISTS (SELECT FROM frozen_hour r WHERE r.device_id = f.device_id
                 AND r.hour >= f.since AND r.hour < f.ends_at)
        THEN 'frozen'
    ELSE 'differs' END
FROM spans s WHERE s.id = f.ctid

-- name: list_differences
SELECT f.relation, f.device_id, a.name || ' / ' || g.code || ' / ' || d.code, f.key, f.actual::text,
    f.expected::text
FROM difference f
JOIN device d ON d.id = f.device_id
JOIN gateway g ON g.id = d.gateway_id
JOIN account a ON a.id = coalesce(f.account_id, d.account_id)
WHERE f.status = 'differs'
ORDER BY f.relation, f.starts_at, f.device_id
LIMIT %(limit)s

-- name: repair_readings
-- Readings count as their edit says again, and are the account's that had the gateway. Their hours are
-- marked dirty, for the edit where there is one: an hour that a reading leaves may be empty then.
WITH wrong AS (
    SELECT f.device_id, f.key::timestamptz AS time, f.starts_at, f.actual, f.expected, e.id, e.edit_id
    FROM difference f
    LEFT JOIN edited_reading e ON e.device_id = f.device_id AND e.time = f.key::timestamptz
        AND e.is_current AND NOT coalesce(f.expected ? 'account_id', false)
    WHERE f.relation = 'reading' AND f.status = 'differs'
), deleted AS (
    DELETE FROM reading r USING wrong w
    WHERE w.expected IS NULL AND r.device_id = w.device_id AND r.time = w.time
      AND r.time > %(start)s AND r.time <= %(end)s
), changed AS (
    UPDATE reading r SET value = coalesce((w.expected ->> 'value')::numeric, r.value),
        account_id = coalesce((w.expected ->> 'account_id')::bigint, r.account_id)
    FROM wrong w
    WHERE w.expected IS NOT NULL AND w.actual IS NOT NULL AND r.device_id = w.device_id
      AND r.time = w.time AND r.time > %(start)s AND r.time <= %(end)s
), added AS (
    INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit, raw)
    SELECT e.time, e.received_at, e.account_id, e.gateway_id, e.device_id, e.after, e.unit, e.raw
    FROM wrong w JOIN edited_reading e ON e.id = w.id
    WHERE w.expected IS NOT NULL AND w.actual IS NULL
)
INSERT INTO dirty_hour (hour, device_ids, edit_id, cause)
SELECT DISTINCT starts_at, ARRAY[device_id], edit_id, 'repair' FROM wrong

-- name: mark_dirty
-- Mark dirty the hours, with readings, of what differs, and those of a change of meter, which may have
-- none: the refresh computes them again, and what depends on them. %(start)s to %(end)s hold all of
-- them. What waits is marked, too: it may wait for what another slice of the repair marked.
INSERT INTO dirty_hour (hour, device_ids, cause)
SELECT hour, array_agg(device_id ORDER BY device_id), 'repair'
FROM (
    SELECT DISTINCT f.device_id, date_trunc('hour', r.time - interval '1 microsecond', 'UTC') AS hour
    FROM difference f
    JOIN reading r ON r.device_id = f.device_id
        AND r.time > date_trunc('hour', f.starts_at, 'UTC') AND r.time <= f.ends_at
        AND r.time > %(start)s AND r.time <= %(end)s
    WHERE f.status IN ('differs', 'waiting') AND f.relation NOT IN ('closed_month', 'closed_line', 'reading')
    UNION
    SELECT device_id, starts_at FROM difference
    WHERE status = 'differs' AND relation = 'hourly_consumption'
) hours
GROUP BY hour
ORDER BY hour

-- name: delete_extra
-- Rows for which there are no readings go; not of closed months: what was billed there stays.
WITH extra AS (
    SELECT relation, device_id, starts_at, key, account_id FROM difference
    WHERE status = 'differs' AND expected IS NULL
), registers AS (
    DELETE FROM hourly_consumption h USING extra f
    WHERE f.relation = 'hourly_consumption' AND h.device_id = f.device_id AND h.hour = f.starts_at
), days AS (
    DELETE FROM daily_aggregate h USING extra f
    WHERE f.relation = 'daily_aggregate' AND h.device_id = f.device_id AND h.day = f.key::date
      AND h.account_id = f.account_id
)
DELETE FROM monthly_total h USING extra f
WHERE f.relation = 'monthly_total' AND h.device_id = f.device_id AND h.month = f.key::date
  AND h.account_id = f.account_id
  AND NOT EXISTS (
    SELECT FROM closed_month x WHERE x.account_id = h.account_id AND x.month = h.month)

-- name: delete_extra_hours
-- The same for hours (Apache edition).
DELETE FROM hourly_aggregate h USING difference f
WHERE f.relation = 'hourly_aggregate' AND f.status = 'differs' AND f.expected IS NULL
  AND h.device_id = f.device_id AND h.hour = f.starts_at

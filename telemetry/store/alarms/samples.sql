-- name: read_measures
-- The readings of a rule's devices since the last evaluated one, where one of them is not on the good side
-- of the limit or the rule watches the device; and moves the rule's watches to the newest reading. `sign`
-- is -1 where values below the limit are beyond it. A device that the rule does not know yet begins with
-- its newest reading. A jump is the difference from the reading before.
WITH chosen AS MATERIALIZED (
    SELECT d.id, d.account_id, w.beyond_since IS NOT NULL AS is_watched,
        greatest(%(horizon)s, w.evaluated_until, first.time - interval '1 microsecond') AS start
    FROM device d
    JOIN gateway g ON g.id = d.gateway_id
    LEFT JOIN alarm_watch w ON w.rule_id = %(rule)s AND w.subject = 'device:' || d.id
    LEFT JOIN LATERAL (
        SELECT time FROM reading
        WHERE w.evaluated_until IS NULL AND device_id = d.id AND account_id = d.account_id
          AND time > %(horizon)s AND time <= %(until)s
        ORDER BY time DESC LIMIT 1
    ) first ON true
    WHERE d.account_id = %(account)s AND d.is_active AND g.is_active
      AND d.id = coalesce(%(device)s, d.id) AND g.id = coalesce(%(gateway)s, g.id)
      AND (%(seen_since)s::timestamptz IS NULL OR g.last_seen >= %(seen_since)s OR w.id IS NULL)
), fresh AS MATERIALIZED (
    SELECT c.id, c.is_watched, r.time, r.measure
    FROM chosen c
    CROSS JOIN LATERAL (
        SELECT time, CASE WHEN %(is_jump)s THEN abs(value - lag(value) OVER (ORDER BY time)) ELSE value END
            AS measure
        FROM (
            (SELECT time, value FROM reading
             WHERE device_id = c.id AND account_id = c.account_id
               AND time > %(horizon)s AND time <= c.start
             ORDER BY time DESC LIMIT 1)
            UNION ALL
            (SELECT time, value FROM reading
             WHERE device_id = c.id AND account_id = c.account_id
               AND time > %(horizon)s AND time > c.start AND time <= %(until)s
             ORDER BY time LIMIT %(readings)s)
        ) AS following
    ) AS r
    WHERE r.time > c.start
), newest AS (
    SELECT id, max(time) AS time, bool_or(%(sign)s * (measure - %(limit)s) > -%(margin)s) AS is_notable
    FROM fresh GROUP BY id
), moved AS (
    INSERT INTO alarm_watch (rule_id, account_id, subject, device_id, evaluated_until)
    SELECT %(rule)s, %(account)s, 'device:' || id, id, time FROM newest ORDER BY id
    ON CONFLICT (rule_id, subject) DO UPDATE SET evaluated_until = excluded.evaluated_until
)
SELECT f.id, f.time, f.measure
FROM fresh f JOIN newest n ON n.id = f.id
WHERE f.measure IS NOT NULL AND (n.is_notable OR f.is_watched)
ORDER BY f.id, f.time

-- name: list_devices
-- The devices and gateways that a rule watches now: an alarm of any other ends.
SELECT d.id, g.id FROM device d JOIN gateway g ON g.id = d.gateway_id
WHERE d.account_id = %(account)s AND d.is_active AND g.is_active
  AND d.id = coalesce(%(device)s, d.id) AND g.id = coalesce(%(gateway)s, g.id)
  AND (d.id = ANY(%(devices)s) OR g.id = ANY(%(gateways)s))

-- name: over_day
-- Devices whose consumption of a local day is above the limit, or within the margin below it. OFFSET 0: one
-- look at the key for each device, whatever the planner expects.
SELECT a.device_id, a.total, NULL::timestamptz, ''
FROM device d
JOIN gateway g ON g.id = d.gateway_id
CROSS JOIN LATERAL (
    SELECT device_id, total FROM daily_aggregate
    WHERE device_id = d.id AND account_id = %(account)s AND day = %(day)s OFFSET 0
) a
WHERE a.total > %(limit)s - %(margin)s
  AND d.account_id = %(account)s AND d.is_active AND g.is_active
  AND d.id = coalesce(%(device)s, d.id) AND g.id = coalesce(%(gateway)s, g.id)

-- name: over_month
-- The same of a billing month.
SELECT m.device_id, m.total, NULL::timestamptz, ''
FROM monthly_total m JOIN device d ON d.id = m.device_id JOIN gateway g ON g.id = d.gateway_id
WHERE m.account_id = %(account)s AND m.month = %(month)s AND m.total > %(limit)s - %(margin)s
  AND d.account_id = %(account)s AND d.is_active AND g.is_active
  AND d.id = coalesce(%(device)s, d.id) AND g.id = coalesce(%(gateway)s, g.id)

-- name: over_night
-- Devices that consumed more than the limit in every hour of a night: its least hour.
SELECT h.device_id, min(h.consumption), NULL::timestamptz, ''
FROM (
    SELECT a.device_id, CASE d.measurement WHEN 'delta' THEN a.total ELSE c.consumption END AS consumption
    FROM device d
    JOIN gateway g ON g.id = d.gateway_id
    JOIN hourly_aggregate a ON a.device_id = d.id AND a.account_id = d.account_id
        AND a.hour >= %(start)s AND a.hour < %(end)s
    LEFT JOIN hourly_consumption c ON c.device_id = d.id AND c.hour = a.hour
    WHERE d.account_id = %(account)s AND d.is_active AND g.is_active AND d.measurement <> 'gauge'
      AND d.id = coalesce(%(device)s, d.id) AND g.id = coalesce(%(gateway)s, g.id)
) h
GROUP BY h.device_id
HAVING count(h.consumption) = %(hours)s AND min(h.consumption) > %(limit)s - %(margin)s

-- name: without_data
-- Devices whose newest reading is older than so many minutes, and since when. Readings of the future count.
SELECT d.id, NULL::numeric, newest.time, ''
FROM device d
JOIN gateway g ON g.id = d.gateway_id
LEFT JOIN LATERAL (
    SELECT time FROM reading
    WHERE device_id = d.id AND account_id = d.account_id AND time > %(history)s
    ORDER BY time DESC LIMIT 1
) newest ON true
WHERE d.account_id = %(account)s AND d.is_active AND g.is_active
  AND d.id = coalesce(%(device)s, d.id) AND g.id = coalesce(%(gateway)s, g.id)
  AND (newest.time IS NULL OR newest.time < %(now)s - %(limit)s * interval '1 minute')

-- name: with_findings
-- Devices with findings that wait for a decision, and which.
SELECT f.device_id, count(*), min(f.found_at), string_agg(DISTINCT f.rule, ', ' ORDER BY f.rule)
FROM finding f JOIN device d ON d.id = f.device_id JOIN gateway g ON g.id = d.gateway_id
WHERE f.account_id = %(account)s AND f.state = 'open' AND d.account_id = %(account)s
  AND d.id = coalesce(%(device)s, d.id) AND g.id = coalesce(%(gateway)s, g.id)
GROUP BY f.device_id

-- name: beyond_own_limits
-- Devices with an open alarm of their own limits.
SELECT a.device_id, (array_agg(a.value ORDER BY a.opened_at))[1], min(a.opened_at),
    string_agg(CASE a.kind WHEN 'low' THEN '< ' ELSE '> ' END || trim_scale(a.limit_value), ', ')
FROM alarm a JOIN device d ON d.id = a.device_id JOIN gateway g ON g.id = d.gateway_id
WHERE a.account_id = %(account)s AND a.closed_at IS NULL AND a.kind IN ('low', 'high')
  AND d.account_id = %(account)s
  AND d.id = coalesce(%(device)s, d.id) AND g.id = coalesce(%(gateway)s, g.id)
GROUP BY a.device_id

-- name: offline
-- Gateways that are offline, and since when.
SELECT g.id, NULL::numeric, g.last_seen, ''
FROM gateway g
WHERE g.account_id = %(account)s AND g.is_active AND NOT g.is_online AND g.last_seen IS NOT NULL
  AND g.id = coalesce(%(gateway)s, g.id)

-- name: days_by_group
-- What an account's devices with one unit consumed, by group and local day. Groups beyond the largest,
-- or beyond those that are named, are put together: their name is null. Meters as in account_days.
WITH metered AS MATERIALIZED (
    SELECT d.device_id, u.measurement, local_day(u.since, a.zones) AS first,
        local_day(u.until, a.zones) AS until
    FROM account a
    CROSS JOIN (
        SELECT DISTINCT device_id FROM daily_aggregate
        WHERE account_id = %(account)s AND day >= %(since)s AND day < %(until)s AND total IS NOT NULL
          AND (%(devices)s::bigint[] IS NULL OR device_id = ANY(%(devices)s::bigint[]))
          AND device_id <> ALL(%(without)s::bigint[])
    ) d
    CROSS JOIN LATERAL (
        SELECT * FROM installation_period p WHERE p.device_id = d.device_id OFFSET 0
    ) u
    WHERE a.id = %(account)s AND u.unit = %(unit)s
), line AS MATERIALIZED (
    SELECT coalesce(v."group", '') AS name, g.device_id, g.day AS start, g.total, g.estimated,
        -- What a delta would have counted in a time without readings is lost; a register has it.
        CASE WHEN g.readings_count > 0 OR u.measurement <> 'delta' THEN 1 ELSE 0 END AS known
    FROM metered u
    CROSS JOIN LATERAL (
        SELECT * FROM daily_aggregate g
        WHERE g.device_id = u.device_id AND g.account_id = %(account)s AND g.total IS NOT NULL
          AND g.day >= greatest(u.first, %(since)s) AND g.day < least(u.until, %(until)s)
        OFFSET 0
    ) g
    LEFT JOIN device v ON v.id = g.device_id AND v.account_id = %(account)s
), ranked AS (
    SELECT name, row_number() OVER (ORDER BY sum(total) DESC, name) AS position FROM line GROUP BY name
), placed AS (
    SELECT CASE WHEN CASE WHEN %(names)s::text[] IS NULL THEN r.position <= %(most)s
            ELSE r.name = ANY(%(names)s::text[]) END THEN r.name END AS name,
        l.device_id, l.start, l.total, l.estimated, l.known
    FROM line l JOIN ranked r USING (name)
)
SELECT p.name, c.devices_count, p.start, sum(p.total), sum(p.estimated), sum(p.known)
FROM placed p
JOIN (
    SELECT name, count(DISTINCT device_id) AS devices_count FROM placed GROUP BY name
) c ON c.name IS NOT DISTINCT FROM p.name
GROUP BY p.name, c.devices_count, p.start
ORDER BY p.name, p.start
LIMIT %(rows)s

-- name: hours_by_group
-- The same by UTC hour, of the devices that are named.
WITH own AS MATERIALIZED (
    SELECT v.id, v."group" AS name
    FROM device v
    WHERE v.id = ANY(%(devices)s::bigint[]) AND v.account_id = %(account)s
), line AS MATERIALIZED (
    SELECT own.name, own.id AS device_id, c.hour AS start, c.consumption AS total, 0 AS estimated,
        1 AS known
    FROM own
    JOIN hourly_consumption c ON c.device_id = own.id
    WHERE c.account_id = %(account)s AND c.hour >= %(since)s AND c.hour < %(until)s
      AND (c.first IS NOT NULL OR c.steps <> '[]')
    UNION ALL
    SELECT own.name, own.id, g.hour, g.moved, g.estimated, 0
    FROM own
    CROSS JOIN LATERAL gap_hours(own.id, %(account)s, %(since)s, %(until)s) AS g
), ranked AS (
    SELECT name, row_number() OVER (ORDER BY sum(total) DESC, name) AS position FROM line GROUP BY name
), placed AS (
    SELECT CASE WHEN r.position <= %(most)s THEN r.name END AS name,
        l.device_id, l.start, l.total, l.estimated, l.known
    FROM line l JOIN ranked r USING (name)
)
SELECT p.name, c.devices_count, p.start, sum(p.total), sum(p.estimated), sum(p.known)
FROM placed p
JOIN (
    SELECT name, count(DISTINCT device_id) AS devices_count FROM placed GROUP BY name
) c ON c.name IS NOT DISTINCT FROM p.name
GROUP BY p.name, c.devices_count, p.start
ORDER BY p.name, p.start
LIMIT %(rows)s

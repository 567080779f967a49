-- name: group_days
-- What an account's devices with one unit consumed, by group and local day; `sum_groups` goes on.
-- Meters as in account_days.
WITH metered AS MATERIALIZED (
    SELECT d.device_id, coalesce(v."group", '') AS name, u.measurement,
        local_day(u.since, a.zones) AS first, local_day(u.until, a.zones) AS until
    FROM account a
    CROSS JOIN (
        SELECT DISTINCT device_id FROM monthly_total
        WHERE account_id = %(account)s AND month > %(since)s::date - 100 AND month < %(until)s
          AND (%(devices)s::bigint[] IS NULL OR device_id = ANY(%(devices)s::bigint[]))
          AND device_id <> ALL(%(without)s::bigint[])
    ) d
    CROSS JOIN LATERAL (
        SELECT * FROM installation_period p WHERE p.device_id = d.device_id OFFSET 0
    ) u
    LEFT JOIN LATERAL (
        SELECT "group" FROM device v WHERE v.id = d.device_id AND v.account_id = %(account)s OFFSET 0
    ) v ON true
    WHERE a.id = %(account)s AND u.unit = %(unit)s
), line AS (
    SELECT u.name, g.device_id, g.day AS start, g.total, g.estimated,
        -- What a delta would have counted in a time without readings is lost; a register has it.
        CASE WHEN g.readings_count > 0 OR u.measurement <> 'delta' THEN 1 ELSE 0 END AS known
    FROM metered u
    CROSS JOIN LATERAL (
        SELECT * FROM daily_aggregate g
        WHERE g.device_id = u.device_id AND g.account_id = %(account)s AND g.total IS NOT NULL
          AND g.day >= greatest(u.first, %(since)s) AND g.day < least(u.until, %(until)s)
        OFFSET 0
    ) g
)

-- name: group_hours
-- The same by UTC hour, of the devices that are named.
WITH own AS MATERIALIZED (
    SELECT v.id, v."group" AS name
    FROM device v
    WHERE v.id = ANY(%(devices)s::bigint[]) AND v.account_id = %(account)s
), line AS (
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
)

-- name: sum_groups
-- The lines above it, by group and time. Groups beyond the largest, or beyond those that are named, are
-- put together: their name is null.
, summed AS MATERIALIZED (  -- once by time, once by device
    SELECT name, start, sum(total) AS total, sum(estimated) AS estimated, sum(known) AS known
    FROM line GROUP BY GROUPING SETS ((name, start), (name, device_id))
), ranked AS (
    SELECT name, count(*) AS devices, row_number() OVER (ORDER BY sum(total) DESC, name) AS position
    FROM summed WHERE start IS NULL GROUP BY name
), placed AS (
    SELECT name AS own, devices,
        CASE WHEN CASE WHEN %(names)s::text[] IS NULL THEN position <= %(most)s
            ELSE name = ANY(%(names)s::text[]) END THEN name END AS name
    FROM ranked
)
SELECT p.name, c.devices_count, s.start, sum(s.total), sum(s.estimated), sum(s.known)
FROM summed s
JOIN placed p ON p.own = s.name
JOIN (SELECT name, sum(devices)::bigint AS devices_count FROM placed GROUP BY name) c
    ON c.name IS NOT DISTINCT FROM p.name
WHERE s.start IS NOT NULL
GROUP BY p.name, c.devices_count, s.start
ORDER BY p.name, s.start
LIMIT %(rows)s

-- name: compare_devices
-- One index range for each device (the key is device and day), so that other devices of the
-- account cost nothing.
SELECT wanted.id, i.unit, period.*
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
JOIN account a ON a.id = %(account)s
CROSS JOIN LATERAL installation_of(wanted.id, local_day_start(%(first)s, a.zones),
    local_day_start(%(until)s, a.zones)) AS i
CROSS JOIN LATERAL (
    SELECT sum(g.total), sum(g.reading_sum) / nullif(sum(g.readings_count), 0), min(g.minimum),
        max(g.maximum), (sum(g.readings_count))::bigint AS readings_count
    FROM daily_aggregate g
    WHERE g.account_id = %(account)s AND g.device_id = wanted.id
      AND g.day >= %(first)s AND g.day < %(until)s
) period
WHERE period.readings_count IS NOT NULL
ORDER BY wanted.id
LIMIT %(rows)s

-- name: account_days
-- A day has the unit of its meter: units change where a month begins. Which devices have days is told by
-- their months, of which there are fewer, and none is as long as 100 days. One index range for each
-- meter, whatever the planner expects: joined otherwise, each day would be compared with all meters.
WITH metered AS MATERIALIZED (
    SELECT d.device_id, u.unit, local_day(u.since, a.zones) AS first,
        local_day(u.until, a.zones) AS until
    FROM account a
    CROSS JOIN (
        SELECT DISTINCT device_id FROM monthly_total
        WHERE account_id = %(account)s AND month > %(first)s::date - 100 AND month < %(until)s
    ) d
    CROSS JOIN LATERAL (
        SELECT * FROM installation_period p WHERE p.device_id = d.device_id OFFSET 0
    ) u
    WHERE a.id = %(account)s
)
SELECT g.day, u.unit, sum(g.total), count(*), sum(g.readings_count)::bigint
FROM metered u
CROSS JOIN LATERAL (
    SELECT * FROM daily_aggregate g
    WHERE g.device_id = u.device_id AND g.account_id = %(account)s AND g.total IS NOT NULL
      AND g.day >= greatest(u.first, %(first)s) AND g.day < least(u.until, %(until)s)
    OFFSET 0
) g
GROUP BY g.day, u.unit
ORDER BY g.day, u.unit
LIMIT %(rows)s

-- name: account_months
SELECT month, unit, sum(total), count(*), sum(readings_count)::bigint
FROM billed_month
WHERE account_id = %(account)s AND month >= %(first)s AND month < %(until)s
  AND total IS NOT NULL
GROUP BY month, unit
ORDER BY month, unit
LIMIT %(rows)s

-- name: hours_of_account
-- What an account's devices consumed in whole UTC hours, by span and unit: deltas and what registers
-- counted, with what the hours have of gaps. A device that moved away keeps the hours that it had here.
-- Devices as in account_days.
SELECT s.number, line.unit, sum(line.consumption)
FROM unnest(%(sinces)s::timestamptz[], %(untils)s::timestamptz[], %(firsts)s::date[], %(lasts)s::date[])
    WITH ORDINALITY AS s (since, until, first, last, number)
CROSS JOIN LATERAL (
    WITH own AS MATERIALIZED (
        SELECT g.id, i.unit
        FROM (
            SELECT DISTINCT device_id AS id FROM monthly_total
            WHERE account_id = %(account)s AND month > s.first - 100 AND month <= s.last
        ) g
        CROSS JOIN LATERAL installation_of(g.id, s.since, s.until) AS i
        WHERE i.measurement <> 'gauge'
    )
    SELECT own.unit, c.consumption
    FROM own
    JOIN hourly_consumption c ON c.device_id = own.id
    WHERE c.account_id = %(account)s AND c.hour >= s.since AND c.hour < s.until
    UNION ALL
    SELECT own.unit, g.moved
    FROM own
    CROSS JOIN LATERAL gap_hours(own.id, %(account)s, s.since, s.until) AS g
) line
GROUP BY s.number, line.unit
ORDER BY s.number, line.unit
LIMIT %(rows)s

-- name: top_consumers
-- The share is of all devices with this unit (of those asked for), not only of those that are listed.
-- Meters as in account_days.
WITH metered AS MATERIALIZED (
    SELECT d.device_id, local_day(u.since, a.zones) AS first,
        local_day(u.until, a.zones) AS until
    FROM account a
    CROSS JOIN (
        SELECT DISTINCT device_id FROM monthly_total
        WHERE account_id = %(account)s AND month > %(first)s::date - 100 AND month < %(until)s
          AND (%(devices)s::bigint[] IS NULL OR device_id = ANY(%(devices)s::bigint[]))
    ) d
    CROSS JOIN LATERAL (
        SELECT * FROM installation_period p WHERE p.device_id = d.device_id OFFSET 0
    ) u
    WHERE a.id = %(account)s AND u.unit = %(unit)s
)
SELECT g.device_id, sum(g.total) AS total, sum(g.total) / nullif(sum(sum(g.total)) OVER (), 0)
FROM metered u
CROSS JOIN LATERAL (
    SELECT * FROM daily_aggregate g
    WHERE g.device_id = u.device_id AND g.account_id = %(account)s AND g.total IS NOT NULL
      AND g.day >= greatest(u.first, %(first)s) AND g.day < least(u.until, %(until)s)
    OFFSET 0
) g
GROUP BY g.device_id
ORDER BY total DESC, g.device_id
LIMIT %(rows)s

-- name: parts_of_devices
-- What devices consumed in a unit in [first, until), in the part of it before `part`, and in
-- [other, other_until). One index range for each meter and period; meters as in account_days.
WITH metered AS MATERIALIZED (
    SELECT wanted.id, (u.since AT TIME ZONE a.time_zone)::date AS begin,
        (u.until AT TIME ZONE a.time_zone)::date AS "end"
    FROM account a
    CROSS JOIN unnest(%(devices)s::bigint[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT * FROM installation_period p WHERE p.device_id = wanted.id OFFSET 0
    ) u
    WHERE a.id = %(account)s AND u.unit = %(unit)s
)
SELECT sum(g.total) FILTER (WHERE g.day >= %(first)s AND g.day < %(until)s),
    sum(g.total) FILTER (WHERE g.day >= %(first)s AND g.day < %(part)s),
    sum(g.total) FILTER (WHERE g.day >= %(other)s AND g.day < %(other_until)s)
FROM metered m
CROSS JOIN LATERAL (
    SELECT g.day, g.total FROM daily_aggregate g
    WHERE g.account_id = %(account)s AND g.device_id = m.id AND g.day >= m.begin AND g.day < m."end"
      AND (g.day >= %(first)s AND g.day < %(until)s
        OR g.day >= %(other)s AND g.day < %(other_until)s)
    OFFSET 0
) g

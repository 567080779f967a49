-- name: account_signs
-- How complete the readings of an account are in a billing month, of its active devices behind active
-- gateways; and beside it, a row each, the devices that are not as usual: what they consumed in seven
-- local days, and the sum of the means of the same weekdays of the four weeks before. The largest share
-- of change comes first. Devices without a reading on one of the days, or with fewer than two of a
-- weekday before, are left out. One index range of days for each device: OFFSET 0 keeps the planner from
-- reading all devices for each one, where it knows too little of new tables.
WITH month AS MATERIALIZED (  -- read together, so that the calendar is computed once
    SELECT device_id, sum(readings_count) FILTER (WHERE month = %(month)s) AS readings_count,
        sum(coverage) FILTER (WHERE month = %(month)s) AS coverage,
        sum(estimated) FILTER (WHERE month = %(month)s) AS estimated,
        sum(coverage) FILTER (WHERE month = %(month_before)s) AS coverage_before
    FROM monthly_consumption
    WHERE account_id = %(account)s AND month IN (%(month)s, %(month_before)s)
    GROUP BY device_id
), complete AS (
    SELECT count(*) AS devices, count(*) FILTER (WHERE m.readings_count > 0) AS reporting,
        avg(m.coverage) AS coverage, count(*) FILTER (WHERE m.estimated <> 0) AS estimated,
        count(*) FILTER (WHERE g.last_seen IS NULL) AS unseen,
        count(*) FILTER (WHERE m.coverage_before < %(whole)s) AS partial_before,
        coalesce(array_agg(DISTINCT d.unit) FILTER (WHERE m.coverage_before < %(whole)s), '{}')
            AS partial_units
    FROM device d
    JOIN gateway g ON g.id = d.gateway_id
    LEFT JOIN month m ON m.device_id = d.id
    WHERE d.account_id = %(account)s AND d.is_active AND g.is_active
), weekday AS (
    SELECT d.id, d.unit, sum(g.total) FILTER (WHERE g.day >= %(first)s) AS consumed,
        avg(g.total) FILTER (WHERE g.day < %(first)s) AS usual,
        count(*) FILTER (WHERE g.day < %(first)s) AS days
    FROM device d
    CROSS JOIN LATERAL (
        SELECT day, total FROM daily_aggregate g
        WHERE g.device_id = d.id AND g.account_id = %(account)s AND g.total IS NOT NULL
          AND g.day >= %(before)s AND g.day < %(until)s
        OFFSET 0
    ) g
    WHERE d.account_id = %(account)s AND d.is_active
    GROUP BY d.id, d.unit, extract(isodow FROM g.day)
), week AS (
    SELECT id, unit, sum(consumed) AS consumed, sum(usual) AS usual
    FROM weekday
    GROUP BY id, unit
    HAVING count(consumed) = 7 AND min(days) >= 2
), changed AS (
    SELECT *, abs(consumed - usual) / usual AS share
    FROM week
    WHERE usual > 0 AND abs(consumed - usual) >= %(least)s * usual
    ORDER BY share DESC, id
    LIMIT %(most)s
)
SELECT complete.*, changed.id, changed.unit, changed.consumed, changed.usual
FROM complete
LEFT JOIN changed ON true
ORDER BY changed.share DESC, changed.id
LIMIT %(rows)s

-- name: account_signs
-- How complete the readings of an account are in a billing month, of its active devices behind active
-- gateways; and beside it, a row each, the devices that are not as usual: what they consumed in seven
-- local days, and the sum of the means of the same weekdays of the four weeks before. The largest share
-- of change comes first. Devices without a reading on one of the days, or with fewer than two of a
-- weekday before, are left out. One index range for each device: OFFSET 0 keeps the planner from reading
-- all devices for each one, where it knows too little of new tables.
SELECT complete.*, changed.id, changed.unit, changed.consumed, changed.usual
FROM (
    SELECT count(*) AS devices, count(*) FILTER (WHERE m.readings_count > 0) AS reporting,
        avg(m.coverage) AS coverage, count(*) FILTER (WHERE m.estimated <> 0) AS estimated,
        count(*) FILTER (WHERE g.last_seen IS NULL) AS unseen,
        count(*) FILTER (WHERE b.coverage < %(whole)s) AS partial_before,
        coalesce(array_agg(DISTINCT d.unit) FILTER (WHERE b.coverage < %(whole)s), '{}') AS partial_units
    FROM device d
    JOIN gateway g ON g.id = d.gateway_id
    LEFT JOIN LATERAL (
        SELECT readings_count, coverage, estimated FROM monthly_consumption m
        WHERE m.device_id = d.id AND m.account_id = %(account)s AND m.month = %(month)s
        OFFSET 0
    ) m ON true
    LEFT JOIN LATERAL (
        SELECT coverage FROM monthly_consumption b
        WHERE b.device_id = d.id AND b.account_id = %(account)s AND b.month = %(month_before)s
        OFFSET 0
    ) b ON true
    WHERE d.account_id = %(account)s AND d.is_active AND g.is_active
) complete
LEFT JOIN LATERAL (
    SELECT d.id, d.unit, week.consumed, week.usual
    FROM device d
    CROSS JOIN LATERAL (
        SELECT sum(w.consumed) AS consumed, sum(w.usual) AS usual
        FROM (
            SELECT sum(g.total) FILTER (WHERE g.day >= %(first)s) AS consumed,
                avg(g.total) FILTER (WHERE g.day < %(first)s) AS usual,
                count(*) FILTER (WHERE g.day < %(first)s) AS days
            FROM (
                SELECT day, total FROM daily_aggregate g
                WHERE g.device_id = d.id AND g.account_id = %(account)s AND g.total IS NOT NULL
                  AND g.day >= %(before)s AND g.day < %(until)s
                OFFSET 0
            ) g
            GROUP BY extract(isodow FROM g.day)
        ) w
        HAVING count(w.consumed) = 7 AND min(w.days) >= 2
    ) week
    WHERE d.account_id = %(account)s AND d.is_active AND week.usual > 0
      AND abs(week.consumed - week.usual) >= %(least)s * week.usual
    ORDER BY abs(week.consumed - week.usual) / week.usual DESC, d.id
    LIMIT %(most)s
) changed ON true
ORDER BY abs(changed.consumed - changed.usual) / changed.usual DESC, changed.id
LIMIT %(rows)s

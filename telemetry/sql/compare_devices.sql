-- One index range for each device (the key is device and day), so that other devices of the
-- account cost nothing.
SELECT wanted.id, d.unit, period.*
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
JOIN device d ON d.id = wanted.id
CROSS JOIN LATERAL (
    SELECT sum(g.total), sum(g.reading_sum) / sum(g.readings_count), min(g.minimum),
        max(g.maximum), (sum(g.readings_count))::bigint AS readings_count, count(*)
    FROM daily_aggregate g
    WHERE g.account_id = %(account)s AND g.device_id = wanted.id
      AND g.day >= %(first)s AND g.day < %(until)s
) period
WHERE period.readings_count > 0
ORDER BY wanted.id
LIMIT %(rows)s

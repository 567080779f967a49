SELECT g.day, d.unit, sum(g.total), count(*), sum(g.readings_count)::bigint
FROM daily_aggregate g
JOIN device d ON d.id = g.device_id
WHERE g.account_id = %(account)s AND g.day >= %(first)s AND g.day < %(until)s
  AND g.total IS NOT NULL
GROUP BY g.day, d.unit
ORDER BY g.day, d.unit
LIMIT %(rows)s

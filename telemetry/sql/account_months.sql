SELECT m.month, d.unit, sum(m.total), count(*), sum(m.readings_count)::bigint
FROM monthly_consumption m
JOIN device d ON d.id = m.device_id
WHERE m.account_id = %(account)s AND m.month >= %(first)s AND m.month < %(until)s
  AND m.total IS NOT NULL
GROUP BY m.month, d.unit
ORDER BY m.month, d.unit
LIMIT %(rows)s

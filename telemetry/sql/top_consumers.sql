-- The share is of all devices with this unit (of those asked for), not only of those that are listed.
SELECT g.device_id, sum(g.total) AS total, sum(g.total) / nullif(sum(sum(g.total)) OVER (), 0)
FROM daily_aggregate g
JOIN device d ON d.id = g.device_id
WHERE g.account_id = %(account)s AND g.day >= %(first)s AND g.day < %(until)s
  AND g.total IS NOT NULL AND d.unit = %(unit)s
  AND (%(devices)s::bigint[] IS NULL OR g.device_id = ANY(%(devices)s::bigint[]))
GROUP BY g.device_id
ORDER BY total DESC, g.device_id
LIMIT %(rows)s

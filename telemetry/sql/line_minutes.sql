-- Minutes of a device, from its raw readings. A register's minutes have no total: what it counted
-- is known by the hour.
SELECT date_trunc('minute', r.time), CASE d.measurement WHEN 'delta' THEN sum(r.value) END,
    sum(r.value), min(r.value), max(r.value), last(r.value, r.time), count(*)
FROM reading r
JOIN device d ON d.id = r.device_id
WHERE r.account_id = %(account)s AND r.device_id = %(device)s
  AND r.time >= %(since)s AND r.time < %(until)s
GROUP BY 1, d.measurement
ORDER BY 1
LIMIT %(rows)s

-- A device's UTC hours. The rule of `total` by measurement is that of consumption_rules.sql: a
-- register's hours stand in hourly_consumption. The first column of both keys is the device.
SELECT h.hour,
    CASE d.measurement WHEN 'delta' THEN h.total WHEN 'cumulative' THEN c.consumption END,
    h.mean, h.minimum, h.maximum, h.first, h.last, h.readings_count
FROM hourly_aggregate h
JOIN device d ON d.id = h.device_id
LEFT JOIN hourly_consumption c ON c.device_id = h.device_id AND c.hour = h.hour
    AND c.hour >= %(since)s AND c.hour < %(until)s
WHERE h.account_id = %(account)s AND h.device_id = %(device)s
  AND h.hour >= %(since)s AND h.hour < %(until)s
ORDER BY h.hour
LIMIT %(rows)s

-- The UTC hours of several devices: one index range for each of them. The rule of `total` is that of
-- series_hours.sql; the sum of readings stands beside it.
SELECT wanted.id, line.hour,
    CASE d.measurement WHEN 'delta' THEN line.total WHEN 'cumulative' THEN line.consumption END,
    line.total, line.minimum, line.maximum, line.last, line.readings_count
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
JOIN device d ON d.id = wanted.id
CROSS JOIN LATERAL (
    SELECT h.hour, h.total, h.minimum, h.maximum, h.last, h.readings_count, c.consumption
    FROM hourly_aggregate h
    LEFT JOIN hourly_consumption c ON c.device_id = wanted.id AND c.hour = h.hour
        AND c.hour >= %(since)s AND c.hour < %(until)s
    WHERE h.account_id = %(account)s AND h.device_id = wanted.id
      AND h.hour >= %(since)s AND h.hour < %(until)s
) line
ORDER BY wanted.id, line.hour
LIMIT %(rows)s

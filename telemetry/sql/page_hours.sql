-- Hours of some devices, by device and hour, after a place. One index range for each device; `total`
-- as in series_hours.sql.
SELECT own.*
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
JOIN device d ON d.id = wanted.id
CROSS JOIN LATERAL (
    SELECT h.device_id, h.hour,
        CASE d.measurement WHEN 'delta' THEN h.total WHEN 'cumulative' THEN c.consumption END,
        h.mean, h.minimum, h.maximum, h.first, h.last, h.readings_count
    FROM hourly_aggregate h
    LEFT JOIN hourly_consumption c ON c.device_id = h.device_id AND c.hour = h.hour
    WHERE h.account_id = %(account)s AND h.device_id = wanted.id
      AND h.hour >= %(since)s AND h.hour < %(until)s
      AND (h.device_id, h.hour) > (%(device)s, %(at)s)
    ORDER BY h.hour LIMIT %(rows)s
) own
ORDER BY own.device_id, own.hour
LIMIT %(rows)s

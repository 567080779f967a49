-- Registers whose readings before were dropped: their last value that was kept.
INSERT INTO value_before (device_id, value, time)
SELECT d.id, p.last, p.last_at
FROM verified_device d
CROSS JOIN LATERAL (
    SELECT c.last, c.last_at FROM hourly_consumption c
    WHERE c.device_id = d.id AND c.hour < %(horizon)s
    ORDER BY c.hour DESC LIMIT 1
) p
WHERE d.measurement = 'cumulative'
  AND NOT EXISTS (SELECT FROM value_before b WHERE b.device_id = d.id)

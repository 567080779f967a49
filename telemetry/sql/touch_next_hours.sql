-- The step into an hour belongs to the hour of its later reading: the next hour that has readings
-- changes with the one before it. Hours that wait in notes are not seen here; when their turn comes,
-- they touch the hour after them.
INSERT INTO touched_hour (device_id, hour, measurement, modulus, has_replacements,
    is_refused)
SELECT DISTINCT t.device_id, after.hour, t.measurement, t.modulus, t.has_replacements, false
FROM touched_hour t
CROSS JOIN LATERAL (
    SELECT c.hour FROM hourly_consumption c
    WHERE c.device_id = t.device_id AND c.hour > t.hour
    ORDER BY c.hour LIMIT 1
) after
WHERE t.measurement = 'cumulative'
ON CONFLICT DO NOTHING

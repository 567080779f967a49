-- The local days that touched hours lie in, in the zone of the account that the hour's readings
-- name. In a zone of half hours one hour can lie in two days.
WITH parts AS (
    SELECT DISTINCT t.device_id, a.time_zone,
        ((t.hour + part.shift) AT TIME ZONE a.time_zone)::date AS day
    FROM touched_hour t
    JOIN hourly_aggregate h ON h.device_id = t.device_id AND h.hour = t.hour
        AND h.hour BETWEEN %(first)s AND %(last)s
    JOIN account a ON a.id = h.account_id
    CROSS JOIN (VALUES (interval '0'), (interval '59 minutes 59.999999 seconds')) AS part (shift)
), days AS (
    SELECT day, time_zone, local_day_start(day, time_zone) AS starts_at,
        local_day_start(day + 1, time_zone) AS ends_at
    FROM (SELECT DISTINCT day, time_zone FROM parts) AS found
)
INSERT INTO touched_day (device_id, day, starts_at, ends_at)
SELECT DISTINCT ON (p.device_id, p.day) p.device_id, p.day, d.starts_at, d.ends_at
FROM parts p JOIN days d USING (day, time_zone)
ORDER BY p.device_id, p.day, d.starts_at

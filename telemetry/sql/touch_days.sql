-- The local days that touched hours lie in, in the zone of the hour's account. In a zone of half
-- hours one hour can lie in two days. Of devices that were another account's: all days near by, as an
-- hour may have gone from one account to the other; not before the horizon, where none does and
-- readings may be gone.
WITH parts AS (
    SELECT DISTINCT t.device_id, h.account_id, a.time_zone,
        ((t.hour + part.shift) AT TIME ZONE a.time_zone)::date AS day
    FROM touched_hour t
    JOIN hourly_aggregate h ON h.device_id = t.device_id AND h.hour = t.hour
        AND h.hour BETWEEN %(first)s AND %(last)s
    JOIN account a ON a.id = h.account_id
    CROSS JOIN (VALUES (interval '0'), (interval '59 minutes 59.999999 seconds')) AS part (shift)
), moved AS (
    SELECT device_id AS id FROM (SELECT DISTINCT device_id, account_id FROM parts) AS p
    WHERE EXISTS (
        SELECT FROM monthly_total m
        WHERE m.device_id = p.device_id AND m.account_id <> p.account_id)
), found AS (
    SELECT device_id, account_id, time_zone, day, false AS is_doubtful FROM parts
    UNION ALL
    SELECT g.device_id, g.account_id, a.time_zone, g.day, true
    FROM (SELECT DISTINCT id FROM moved) AS moved
    JOIN touched_hour t ON t.device_id = moved.id
        AND t.hour >= coalesce((SELECT max(dropped_before) FROM raw_horizon), '-infinity')
    JOIN daily_aggregate g ON g.device_id = t.device_id
        AND g.day BETWEEN (t.hour AT TIME ZONE 'UTC')::date - 1 AND (t.hour AT TIME ZONE 'UTC')::date + 1
    JOIN account a ON a.id = g.account_id
), days AS (
    SELECT day, time_zone, local_day_start(day, time_zone) AS starts_at,
        local_day_start(day + 1, time_zone) AS ends_at
    FROM (SELECT DISTINCT day, time_zone FROM found) AS each
)
INSERT INTO touched_day (device_id, day, account_id, starts_at, ends_at, is_doubtful)
SELECT f.device_id, f.day, f.account_id, min(d.starts_at), min(d.ends_at), bool_and(f.is_doubtful)
FROM found f JOIN days d USING (day, time_zone)
GROUP BY f.device_id, f.day, f.account_id

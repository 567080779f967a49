-- Note the hours, with readings, of what differs: the refresh computes them again, and what depends
-- on them. %(start)s to %(end)s hold all of them.
INSERT INTO dirty_hour (hour, device_ids)
SELECT hour, array_agg(device_id ORDER BY device_id)
FROM (
    SELECT DISTINCT f.device_id, date_trunc('hour', r.time, 'UTC') AS hour
    FROM difference f
    JOIN reading r ON r.device_id = f.device_id
        AND r.time >= date_trunc('hour', f.starts_at, 'UTC') AND r.time < f.ends_at
        AND r.time >= %(start)s AND r.time < %(end)s
    WHERE f.verdict = 'differs' AND f.relation <> 'closed_month'
) hours
GROUP BY hour
ORDER BY hour

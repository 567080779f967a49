-- name: newest_days
-- The newest local day with readings of each device.
SELECT d.id, n.day
FROM unnest(%(device_ids)s::bigint[]) AS d (id)
CROSS JOIN LATERAL (
    SELECT day FROM daily_aggregate
    WHERE device_id = d.id AND account_id = %(account)s
    ORDER BY day DESC LIMIT 1
) AS n

-- name: newest_readings
-- The newest reading of each device since an instant, by its index range.
SELECT d.id, r.time, r.value, r.unit
FROM unnest(%(device_ids)s::bigint[]) AS d (id)
CROSS JOIN LATERAL (
    SELECT time, value, unit FROM reading
    WHERE device_id = d.id AND account_id = %(account)s
      AND time >= %(since)s AND time < %(until)s
    ORDER BY time DESC LIMIT 1
) AS r

-- name: newest_times
-- When the newest readings of a device were taken.
SELECT time FROM reading
WHERE device_id = %(device)s AND account_id = %(account)s
  AND time > %(since)s AND time <= %(until)s
ORDER BY time DESC LIMIT %(rows)s

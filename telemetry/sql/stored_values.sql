-- The values that stand under the given keys.
SELECT k.device_id, k.time, r.value
FROM unnest(%(device_ids)s::bigint[], %(times)s::timestamptz[]) AS k (device_id, time)
CROSS JOIN LATERAL (
    SELECT value FROM reading
    WHERE device_id = k.device_id AND time = k.time
      AND time BETWEEN %(first)s AND %(last)s
) r

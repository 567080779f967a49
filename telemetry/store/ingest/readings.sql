-- name: insert_incoming
-- The way for batches with keys that are stored already. Sorted, so that two workers never wait
-- for each other in opposite orders.
INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit, raw)
SELECT time, received_at, account_id, gateway_id, device_id, value, unit, raw
FROM reading_incoming ORDER BY device_id, time
ON CONFLICT (device_id, time) DO NOTHING
RETURNING device_id, time

-- name: stored_values
-- The values that stand under the given keys.
SELECT k.device_id, k.time, r.value
FROM unnest(%(device_ids)s::bigint[], %(times)s::timestamptz[]) AS k (device_id, time)
CROSS JOIN LATERAL (
    SELECT value FROM reading
    WHERE device_id = k.device_id AND time = k.time
      AND time BETWEEN %(first)s AND %(last)s
) r

-- name: insert_incoming
-- The way for batches with keys that are stored already. Sorted, so that two workers never wait
-- for each other in opposite orders.
INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit, raw)
SELECT time, received_at, account_id, gateway_id, device_id, value, unit, raw
FROM reading_incoming ORDER BY device_id, time
ON CONFLICT (device_id, time) DO NOTHING
RETURNING device_id, time

-- name: find_voided
-- Readings in a period that an edit voided. Nearly always there are none, so the period is enough.
SELECT device_id, time FROM edited_reading
WHERE is_current AND after IS NULL AND time BETWEEN %(first)s AND %(last)s

-- name: delete_voided
-- What was inserted a moment ago although an edit had voided it.
DELETE FROM reading r
USING unnest(%(device_ids)s::bigint[], %(times)s::timestamptz[]) AS k (device_id, time)
WHERE r.device_id = k.device_id AND r.time = k.time AND r.time BETWEEN %(first)s AND %(last)s

-- name: stored_values
-- The values of the given keys: the one that was received first, and, where an edit changed it, the
-- one that counts now.
SELECT k.device_id, k.time, CASE
    WHEN e.id IS NULL THEN ARRAY[r.value]
    WHEN r.value IS NULL THEN ARRAY[e.raw_value]
    ELSE ARRAY[e.raw_value, r.value] END
FROM unnest(%(device_ids)s::bigint[], %(times)s::timestamptz[]) AS k (device_id, time)
LEFT JOIN LATERAL (
    SELECT value FROM reading
    WHERE device_id = k.device_id AND time = k.time
      AND time BETWEEN %(first)s AND %(last)s
) r ON true
LEFT JOIN edited_reading e ON e.device_id = k.device_id AND e.time = k.time AND e.is_current
WHERE r.value IS NOT NULL OR e.id IS NOT NULL

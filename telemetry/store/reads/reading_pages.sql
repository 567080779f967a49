-- name: readings_forward
-- The first readings of devices in [low, high) after a key, in the order of time and device. One
-- index range for each device. Of more than `most` readings any are taken, and `found` says so: the
-- window was too wide to be sorted. Instants are microseconds since 1970: Python reads them fast.
SELECT (extract(epoch FROM time) * 1000000)::bigint, device_id, gateway_id, value, unit,
    (extract(epoch FROM received_at) * 1000000)::bigint, count(*) OVER () AS found
FROM (
    SELECT own.*
    FROM unnest(%(devices)s::bigint[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT time, device_id, gateway_id, value, unit, received_at FROM reading
        WHERE device_id = wanted.id AND account_id = %(account)s
          AND time >= %(low)s AND time < %(high)s
          AND (time, device_id) > (%(at)s, %(device)s)
        ORDER BY time LIMIT %(rows)s
    ) own
    LIMIT %(most)s
) readings
ORDER BY time, device_id
LIMIT %(rows)s

-- name: readings_backward
-- As readings_forward, before a key and backwards.
SELECT (extract(epoch FROM time) * 1000000)::bigint, device_id, gateway_id, value, unit,
    (extract(epoch FROM received_at) * 1000000)::bigint, count(*) OVER () AS found
FROM (
    SELECT own.*
    FROM unnest(%(devices)s::bigint[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT time, device_id, gateway_id, value, unit, received_at FROM reading
        WHERE device_id = wanted.id AND account_id = %(account)s
          AND time >= %(low)s AND time < %(high)s
          AND (time, device_id) < (%(at)s, %(device)s)
        ORDER BY time DESC LIMIT %(rows)s
    ) own
    LIMIT %(most)s
) readings
ORDER BY time DESC, device_id DESC
LIMIT %(rows)s

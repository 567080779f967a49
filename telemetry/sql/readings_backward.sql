-- As readings_forward.sql, before a place and backwards.
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

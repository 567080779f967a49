-- The local days of several devices: one index range for each of them.
SELECT wanted.id, line.*
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT day, total, reading_sum, minimum, maximum, last, readings_count
    FROM daily_aggregate
    WHERE account_id = %(account)s AND device_id = wanted.id
      AND day >= %(since)s AND day < %(until)s
) line
ORDER BY wanted.id, line.day
LIMIT %(rows)s

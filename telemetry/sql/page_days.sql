-- Local days of some devices, by device and day, after a place. One index range for each device.
SELECT own.*
FROM unnest(%(devices)s::bigint[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT device_id, day, total, reading_sum / readings_count, minimum, maximum, first, last,
        readings_count
    FROM daily_aggregate
    WHERE account_id = %(account)s AND device_id = wanted.id
      AND day >= %(since)s AND day < %(until)s
      AND (device_id, day) > (%(device)s, %(at)s)
    ORDER BY day LIMIT %(rows)s
) own
ORDER BY own.device_id, own.day
LIMIT %(rows)s

-- Stretches between two readings, or between one and an end of the period, longer than `over_s`.
SELECT before, time
FROM (
    SELECT time, lag(time) OVER (ORDER BY time) AS before
    FROM (
        SELECT time FROM reading
        WHERE account_id = %(account)s AND device_id = %(device)s
          AND time >= %(since)s AND time < %(until)s
        UNION ALL SELECT %(since)s::timestamptz
        UNION ALL SELECT %(until)s::timestamptz
    ) AS marks
) AS steps
WHERE time - before > make_interval(secs => %(over_s)s)
  AND EXISTS (SELECT FROM device WHERE id = %(device)s AND account_id = %(account)s)
ORDER BY time
LIMIT %(rows)s
